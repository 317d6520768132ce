import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A service's `main.ts` as a process of its own. */
export interface ServiceProcess extends AsyncDisposable {
  /** Where it listens. */
  readonly url: string;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Starts `services/<name>/src/main.ts` on a free port and waits until it logs where it listens. */
export async function startServiceProcess(name: string, flags: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const main = new URL(`../../services/${name}/src/main.ts`, import.meta.url).pathname;
  const argv = Object.entries({ "listen-port": "0", ...flags }).map(([flag, value]) => `--${flag}=${value}`);
  const child = spawn(process.execPath, [main, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await listeningUrl(child);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  return { url, kill, [Symbol.asyncDispose]: kill };
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  const seen: string[] = [];
  if (child.stdout === null) throw new Error("the service has no stdout");
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    seen.push(line);
    const { event, url } = JSON.parse(line) as { event?: string; url?: string };
    if (event?.endsWith(".listening") === true && url !== undefined) {
      child.stdout.resume();
      return url;
    }
  }
  throw new Error(`the service ended before it listened:\n${seen.join("\n")}`);
}
