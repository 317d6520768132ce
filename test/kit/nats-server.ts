import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { type ProcessPlace, THIS_HOST } from "./process-place.ts";

export interface NatsServerOptions {
  /** Clients must give it; none by default. */
  readonly token?: string;
  /** A free one by default. */
  readonly port?: number;
  /** `max_payload` is only a file setting; further arguments of the command line go here. */
  readonly args?: readonly string[];
  /** Default: this host. */
  readonly place?: ProcessPlace;
}

/** A real nats-server on 127.0.0.1 that belongs to one test. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** SIGKILL; the port stays reserved for `restart`. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. Resolves when it stands still. */
  pause(): Promise<void>;
  resume(): void;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts nats-server and resolves when it answers. It is stopped by its own pid. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const port = options.port ?? (await freePort());
  let child = await launch(port, options);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await exited;
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    kill: () => end("SIGKILL"),
    pause: async () => {
      child.kill("SIGSTOP");
      await eventually(
        () => readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1] ?? "",
        (state) => state.startsWith("T"),
        { withinMs: 5_000 },
      );
    },
    resume: () => void child.kill("SIGCONT"),
    restart: async () => {
      await end("SIGKILL");
      child = await launch(port, options);
    },
    stop: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGKILL"),
  };
}

async function launch(port: number, { token, args = [], place = THIS_HOST }: NatsServerOptions): Promise<ChildProcess> {
  const auth = token === undefined ? [] : ["--auth", token];
  const [file = "", ...argv] = [...place.command, "nats-server", "--addr", "127.0.0.1", "--port", String(port), ...auth, ...args];
  const child = spawn(file, argv, { stdio: ["ignore", "ignore", "pipe"] });
  const reached = Number(new URL(await place.reach(`http://127.0.0.1:${port}`)).port);
  let log = "";
  child.stderr.on("data", (data: Buffer) => (log = (log + data.toString()).slice(-4_000)));
  child.on("error", (error) => (log += String(error)));
  try {
    await eventually(
      () => greeting(reached).catch(() => "refused"),
      (text) => text.startsWith("INFO "),
      { withinMs: 10_000 },
    );
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`nats-server does not answer on port ${port}: ${log}`, { cause: error });
  }
  return child;
}

async function greeting(port: number): Promise<string> {
  const socket = createConnection({ host: "127.0.0.1", port });
  try {
    // A relay that finds nobody behind it closes without an error.
    const [data] = (await once(socket, "data", { signal: AbortSignal.timeout(1_000) })) as [Buffer];
    return data.toString();
  } finally {
    socket.destroy();
  }
}
