import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import { type ProcessPlace, THIS_HOST } from "./process-place.ts";

export interface ServiceProcessOptions {
  /** The log goes to `<logFolder>/<label>.log`; a folder of its own by default. */
  readonly logFolder?: string;
  /** Tells several processes of one service apart. */
  readonly label?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: this host. */
  readonly place?: ProcessPlace;
}

/** A service's `main.ts` as a process of its own. */
export interface ServiceProcess extends AsyncDisposable {
  readonly label: string;
  /** Where it listens; empty for a service that does not. */
  readonly url: string;
  readonly pid: number;
  /** Everything that it wrote, over all its starts. */
  log(): string;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Starts it again with the same flags and port, after a kill if it still runs. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
}

/**
 * Starts `services/<name>/src/main.ts`, on a free port unless the flags name one, and waits until it says that it has started.
 * A flag that is undefined is left out.
 */
export async function startServiceProcess(
  name: string,
  flags: Readonly<Record<string, string | undefined>>,
  options: ServiceProcessOptions = {},
): Promise<ServiceProcess> {
  const { label = name, logFolder = mkdtempSync(join(tmpdir(), "skrei-log-")), env = {}, place = THIS_HOST } = options;
  const dropLog = (): void => {
    if (options.logFolder === undefined) rmSync(logFolder, { recursive: true, force: true });
  };
  const logFile = join(logFolder, `${label}.log`);
  const run = (port: string | undefined): Promise<RunningProcess> =>
    launch(name, { flags: { "listen-port": port, ...flags }, logFile, env, place });
  let running = await run("0").catch((error: unknown) => {
    dropLog();
    throw error;
  });
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const { child } = running;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exited = once(child, "exit");
    // A process that stands still hears nothing but SIGKILL.
    child.kill("SIGCONT");
    child.kill(signal);
    await exited;
    return child.exitCode;
  };
  const kill = async (): Promise<void> => void (await end("SIGKILL"));
  const { url } = running;
  return {
    label,
    url,
    get pid() {
      return running.child.pid ?? 0;
    },
    log: () => readFileSync(logFile, "utf8"),
    kill,
    stop: () => end("SIGTERM"),
    restart: async () => {
      await kill();
      running = await run(url === "" ? "0" : new URL(url).port);
    },
    pause: () => void running.child.kill("SIGSTOP"),
    resume: () => void running.child.kill("SIGCONT"),
    [Symbol.asyncDispose]: async () => {
      await kill();
      dropLog();
    },
  };
}

interface RunningProcess {
  readonly child: ChildProcess;
  readonly url: string;
}

interface Launch {
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
  readonly place: ProcessPlace;
}

async function launch(name: string, { flags, logFile, env, place }: Launch): Promise<RunningProcess> {
  const main = fileURLToPath(new URL(`../../services/${name}/src/main.ts`, import.meta.url));
  const argv = Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}=${value}`]));
  const log = openSync(logFile, "a");
  const before = readFileSync(logFile).length;
  // Nothing of this process' own settings may reach the service but the way to its programs.
  const [file = "", ...args] = [...place.command, process.execPath, main, ...argv];
  const child = spawn(file, args, { stdio: ["ignore", log, log], env: { PATH: process.env["PATH"], ...env } });
  closeSync(log);
  const written = (): string => readFileSync(logFile).subarray(before).toString("utf8");
  try {
    await eventually(
      () =>
        child.exitCode === null && child.signalCode === null
          ? eventsOf(written())
          : Promise.reject(new Error(`${name} ended with ${child.exitCode ?? child.signalCode}`)),
      (events) => events.some(({ event }) => event === "service.started"),
      { withinMs: 30_000 },
    );
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${name} did not start:\n${written()}`, { cause: error });
  }
  return { child, url: eventsOf(written()).findLast(({ event }) => event?.endsWith(".listening"))?.url ?? "" };
}

/** The log lines that are JSON; a process that fails also writes plain text. */
function eventsOf(log: string): { event?: string; url?: string }[] {
  return log
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as { event?: string; url?: string });
}
