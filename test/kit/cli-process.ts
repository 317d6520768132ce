import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Fed to stdin. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Then it is killed and `done` rejects with what it had written. Default 60 s. */
  readonly withinMs?: number;
}

/** `skrei` as a person starts it. */
export interface CliProcess extends AsyncDisposable {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  signal(signal: NodeJS.Signals): void;
  readonly done: Promise<CliResult>;
}

/** Without one the CLI would ask the system, and find that of the person who runs the tests. */
const NO_HOME = "/nonexistent";

/** Starts the CLI without a terminal; `env` is all that it gets beside PATH. */
export function startCli(args: readonly string[], { input = "", env = {}, cwd, withinMs = 60_000 }: CliOptions = {}): CliProcess {
  const bin = fileURLToPath(new URL("../../cli/bin/skrei.js", import.meta.url));
  const child = spawn(process.execPath, [bin, ...args], {
    env: { PATH: process.env["PATH"], HOME: NO_HOME, ...env },
    ...(cwd !== undefined && { cwd }),
  });
  const written = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8");
    child[stream].on("data", (text: string) => (written[stream] += text));
  }
  child.stdin.on("error", () => undefined); // It ended without reading.
  child.stdin.end(input);
  const done = resultOf(child, written, { withinMs, words: args.join(" ") });
  done.catch(() => undefined); // A test that does not wait for it has other things to say.
  return {
    pid: child.pid ?? 0,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    signal: (signal) => void child.kill(signal),
    done,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await done.catch(() => undefined);
    },
  };
}

async function resultOf(
  child: ChildProcess,
  written: { readonly stdout: string; readonly stderr: string },
  { withinMs, words }: { readonly withinMs: number; readonly words: string },
): Promise<CliResult> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, withinMs);
  // "close" comes after the last byte of output, "exit" may not.
  await once(child, "close");
  clearTimeout(timer);
  if (isLate) throw new Error(`skrei ${words} did not end within ${withinMs} ms\nstdout: ${written.stdout}\nstderr: ${written.stderr}`);
  return { code: child.exitCode, stdout: written.stdout, stderr: written.stderr };
}
