import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { type ProcessPlace, THIS_HOST } from "./process-place.ts";

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  pid(): number;
  /** Ends the process as a crash does; its data stay. */
  kill(): Promise<void>;
  /** After `kill`: the same port and data. */
  startAgain(): Promise<void>;
  /** The process stands still, with its connections open, until `resume`. */
  pause(): void;
  resume(): void;
}

/** A real redis-server on a private port with its own folder, durable unless `settings` say otherwise. */
export async function startRedisServer(
  settings: Readonly<Record<string, string>> = {},
  place: ProcessPlace = THIS_HOST,
): Promise<RedisServer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "skrei-redis-"));
  const all = { port: String(port), bind: "127.0.0.1", dir: folder, save: "", appendonly: "yes", appendfsync: "always", ...settings };
  const options = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  const start = (): Promise<ChildProcess> => launch({ options, port, password: settings["requirepass"], place });
  let child = await start();
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: () => child.pid ?? 0,
    kill,
    startAgain: async () => {
      child = await start();
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    [Symbol.asyncDispose]: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

interface Launch {
  readonly options: readonly string[];
  readonly port: number;
  readonly password: string | undefined;
  readonly place: ProcessPlace;
}

async function launch({ options, port, password, place }: Launch): Promise<ChildProcess> {
  const [file = "", ...argv] = [...place.command, "redis-server", ...options];
  const child = spawn(file, argv, { stdio: "ignore" });
  const client = new Redis({
    port: Number(new URL(await place.reach(`http://127.0.0.1:${port}`)).port),
    host: "127.0.0.1",
    ...(password === undefined ? {} : { password }),
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on("error", () => undefined); // Refused until the server listens.
  try {
    await eventually(
      () => (child.exitCode === null ? client.status : Promise.reject(new Error(`redis-server ended with ${child.exitCode}`))),
      (status) => status === "ready",
      {
        withinMs: 10_000,
      },
    );
    return child;
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    client.disconnect();
  }
}
