import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** A program and its arguments. */
export interface HostCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** What stands between a guest's host process and the machine, beside the host's own checks. */
export type Wall = "bwrap" | "none";

export interface HostFolders {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
}

/** Builds commands that start host processes; made once, as it probes what this machine offers. */
export class HostCommands {
  readonly #bwrap: string | undefined;
  readonly #setpriv: string | undefined;
  readonly #cacheFolder: string;

  private constructor({ bwrap, setpriv, cacheFolder }: { bwrap: string | undefined; setpriv: string | undefined; cacheFolder: string }) {
    this.#bwrap = bwrap;
    this.#setpriv = setpriv;
    this.#cacheFolder = cacheFolder;
  }

  /** `cacheFolder` keeps the host's compiled code, which saves two thirds of its start. */
  static async probe({ isWallWanted, cacheFolder }: { isWallWanted: boolean; cacheFolder: string }): Promise<HostCommands> {
    const nothing = { readable: [], writable: [] };
    const [bwrap, setpriv] = await Promise.all([
      isWallWanted ? findWorking("bwrap", wallArgs(nothing, cacheFolder)) : undefined,
      findWorking("setpriv", SETPRIV_ARGS),
    ]);
    return new HostCommands({ bwrap, setpriv, cacheFolder });
  }

  get wall(): Wall {
    return this.#bwrap === undefined ? "none" : "bwrap";
  }

  /** The command of a host that can reach `folders` (with no wall: that is asked to keep to its mounts). */
  forFolders(folders: HostFolders): HostCommand {
    const node = [process.execPath, ...NODE_ARGS, HOST_MAIN];
    if (this.#bwrap !== undefined) return { file: this.#bwrap, args: [...wallArgs(folders, this.#cacheFolder), ...node] };
    if (this.#setpriv !== undefined) return { file: this.#setpriv, args: [...SETPRIV_ARGS, ...node] };
    return { file: "/bin/sh", args: ["-c", WATCHED, "sh", ...node] };
  }

  /** The whole environment of a host; nothing of the agent's reaches it. */
  get env(): Readonly<Record<string, string>> {
    return { NODE_COMPILE_CACHE: this.#cacheFolder };
  }
}

function wallArgs({ readable, writable }: HostFolders, cacheFolder: string): readonly string[] {
  const bind = (kind: string, path: string): readonly string[] => [kind, path, path];
  return [
    "--unshare-all",
    "--die-with-parent",
    "--cap-drop",
    "ALL",
    "--dev",
    "/dev",
    ...["/usr", "/lib", "/lib64", "/bin"].flatMap((path) => bind("--ro-bind-try", path)),
    ...[process.execPath, dirname(HOST_MAIN), cacheFolder].flatMap((path) => bind("--ro-bind", path)),
    // A folder may come into being after the first host; without it there is nothing to reach.
    ...readable.flatMap((path) => bind("--ro-bind-try", path)),
    ...writable.flatMap((path) => bind("--bind-try", path)),
  ];
}

/** The path of a program that can start Node with these arguments, or undefined. */
async function findWorking(name: string, args: readonly string[]): Promise<string | undefined> {
  const path = (await outputOf("/bin/sh", ["-c", `command -v ${name}`]))?.trim();
  if (path === undefined) return undefined;
  return (await outputOf(path, [...args, process.execPath, "--version"])) === undefined ? undefined : path;
}

/** Undefined when the command fails. */
async function outputOf(file: string, args: readonly string[]): Promise<string | undefined> {
  return await new Promise((resolve) => {
    execFile(file, args, { timeout: PROBE_TIMEOUT_MS }, (error, stdout) => resolve(error === null ? stdout : undefined));
  });
}

const PROBE_TIMEOUT_MS = 5_000;
const HOST_MAIN = fileURLToPath(new URL("host-main.ts", import.meta.url));

/** A guest that loops keeps its host from seeing stdin end, so the kernel has to end it with the agent. */
const SETPRIV_ARGS = ["--pdeathsig", "KILL", "--no-new-privs"];

/** Where there is no setpriv: a second shell waits for the control socket to end. A line on it means that all is over. */
const WATCHED = '(read -r line <&3 || kill -9 $$) </dev/null >/dev/null 2>&1 & exec "$@"';

const NODE_ARGS = [
  // A belt: no child processes, workers, native add-ons or inspector. It follows links, so it is no wall for files.
  "--permission",
  "--allow-fs-read=*",
  "--allow-fs-write=*",
  // Tables and GC objects of a guest live in V8's heap, not in its linear memory.
  "--max-old-space-size=256",
  "--disable-warning=ExperimentalWarning",
];
