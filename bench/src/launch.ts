import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Launched extends AsyncDisposable {
  /** User and system time so far. */
  cpuMs(): number;
}

const CLOCK_TICK_MS = 10;

/** Starts a source file of this repository with settings in its environment; ended by its own pid. */
export function launch(file: string, settings: Readonly<Record<string, string>>): Launched {
  const root = join(import.meta.dirname, "../..");
  const child = spawn(process.execPath, [join(root, file)], {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return {
    cpuMs: () => {
      // Fields after the program's name, which may hold blanks: utime and stime are 14 and 15 of proc(5).
      const fields =
        readFileSync(`/proc/${String(child.pid)}/stat`, "utf8")
          .split(") ")[1]
          ?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}
