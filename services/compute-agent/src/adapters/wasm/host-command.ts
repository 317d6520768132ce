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
  readonly wall: Wall;
  readonly #hasSetpriv: boolean;
  readonly #cacheFolder: string;

  private constructor(found: { wall: Wall; hasSetpriv: boolean; cacheFolder: string }) {
    this.wall = found.wall;
    this.#hasSetpriv = found.hasSetpriv;
    this.#cacheFolder = found.cacheFolder;
  }

  /** `cacheFolder` keeps the host's compiled code, which saves two thirds of its start. */
  static async probe({ isWallWanted, cacheFolder }: { isWallWanted: boolean; cacheFolder: string }): Promise<HostCommands> {
    const nothing = { readable: [], writable: [] };
    const [hasBwrap, hasSetpriv] = await Promise.all([
      isWallWanted && succeeds("bwrap", [...wallArgs(nothing, cacheFolder), process.execPath, "--version"]),
      succeeds("setpriv", [...SETPRIV_ARGS, process.execPath, "--version"]),
    ]);
    return new HostCommands({ wall: hasBwrap ? "bwrap" : "none", hasSetpriv, cacheFolder });
  }

  /** The command of a host that can reach `folders` (with no wall: that is asked to keep to its mounts). */
  forFolders(folders: HostFolders): HostCommand {
    const node = [process.execPath, ...NODE_ARGS, HOST_MAIN];
    if (this.wall === "bwrap") return { file: "bwrap", args: [...wallArgs(folders, this.#cacheFolder), ...node] };
    if (this.#hasSetpriv) return { file: "setpriv", args: [...SETPRIV_ARGS, ...node] };
    return { file: "/bin/sh", args: ["-c", WATCHED, "sh", ...node] };
  }

  get env(): Readonly<Record<string, string>> {
    return { NODE_COMPILE_CACHE: this.#cacheFolder, PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
  }
}

function wallArgs({ readable, writable }: HostFolders, cacheFolder: string): readonly string[] {
  const bind = (kind: string, path: string): readonly string[] => [kind, path, path];
  return [
    ...["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"],
    ...["/usr", "/lib", "/lib64", "/bin"].flatMap((path) => bind("--ro-bind-try", path)),
    ...[process.execPath, dirname(HOST_MAIN), cacheFolder].flatMap((path) => bind("--ro-bind", path)),
    ...["--dev", "/dev"],
    ...readable.flatMap((path) => bind("--ro-bind", path)),
    ...writable.flatMap((path) => bind("--bind", path)),
  ];
}

async function succeeds(file: string, args: readonly string[]): Promise<boolean> {
  return await new Promise((resolve) => {
    execFile(file, args, { timeout: PROBE_TIMEOUT_MS }, (error) => resolve(error === null));
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
