import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Launched extends AsyncDisposable {
  readonly child: ChildProcess;
  /** User and system time so far. */
  cpuMs(): number;
  /** What it has in memory now. */
  rssBytes(): number;
}

const CLOCK_TICK_MS = 10;

/** Starts a source file of this repository with settings in its environment; ended by its own pid. */
export function launch(file: string, settings: Readonly<Record<string, string>>): Launched {
  const root = join(import.meta.dirname, "../..");
  return launchProgram(process.execPath, [join(root, file)], settings);
}

/** Starts any program in the foreground, its output thrown away. A child that knows how can be talked to by `child.send`. */
export function launchProgram(file: string, args: readonly string[], settings: Readonly<Record<string, string>> = {}): Launched {
  const child = spawn(file, args, {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const stat = (name: string): string => readFileSync(`/proc/${String(child.pid)}/${name}`, "utf8");
  return {
    child,
    cpuMs: () => {
      // Fields after the program's name, which may hold blanks: utime and stime are 14 and 15 of proc(5).
      const fields = stat("stat").split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
    },
    rssBytes: () => Number(/^VmRSS:\s+(\d+) kB$/mu.exec(stat("status"))?.[1]) * 1_024,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}
