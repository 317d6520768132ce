import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LabAsk, LabPlan, LabReply, Sightings, Zone } from "./lab/protocol.ts";
import { makeLabCertificate } from "./lab-certificate.ts";
import type { ProcessPlace } from "./process-place.ts";

export type { Sightings, Zone, ZoneAnswer } from "./lab/protocol.ts";

/** Public addresses where the lab's origins answer. */
export const ORIGIN_ADDRESS = "93.184.215.14";
export const OTHER_ORIGIN_ADDRESS = "151.101.1.6";
export const ORIGIN_ADDRESS_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c";

/**
 * A network namespace without a way out, in which every address of the world is on its loopback device: canaries own them all but
 * the origins' few, and a name server of the lab answers every name. What goes wrong in it is seen, and leaves it not.
 */
export interface Lab extends AsyncDisposable {
  /** For what needs the lab's network only. */
  readonly place: ProcessPlace;
  /** For what looks up names as well: with the lab's resolv.conf, in a mount namespace of its own. */
  readonly resolvingPlace: ProcessPlace;
  readonly folder: string;
  /** Served below `/files/` of every origin. */
  readonly filesFolder: string;
  /** PEM of the authority that signed the origins' certificate. */
  readonly authority: string;
  setZone(zone: Zone): Promise<void>;
  /** What was seen since the last call. */
  takeSightings(): Promise<Sightings>;
}

/** Starts a lab. It ends with this process, at the latest. @throws Error where namespaces are not permitted. */
export async function startLab(): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-lab-"));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const filesFolder = join(folder, "files");
  await mkdir(filesFolder);
  const { authority, key, certificate } = await makeLabCertificate(folder, CERTIFIED_NAMES);
  const child = await launch(folder);
  stack.defer(() => end(child));
  const ask = asker(child);
  const reachSocket = join(folder, "reach.sock");
  const plan = { originAddresses: ORIGIN_ADDRESSES, canaryPorts: CANARY_PORTS, key, certificate, filesFolder, reachSocket };
  await ask({ ask: "start", plan: plan satisfies LabPlan });
  const relays = stack.use(new Relays(reachSocket));
  const enter = (...namespaces: readonly string[]): ProcessPlace => ({
    command: ["nsenter", ...namespaces.map((name) => `--${name}=/proc/${child.pid}/ns/${name === "mount" ? "mnt" : name}`), "--"],
    reach: (url) => relays.reach(url),
  });
  const kept = stack.move();
  return {
    place: enter("net"),
    resolvingPlace: enter("net", "mount"),
    folder,
    filesFolder,
    authority,
    setZone: async (zone) => void (await ask({ ask: "setZone", zone })),
    takeSightings: async () => (await ask({ ask: "takeSightings" })).sightings ?? fail("the lab told nothing"),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function launch(folder: string): Promise<ChildProcess> {
  const files = { "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n", hosts: "127.0.0.1 localhost\n" };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const script = [
    "ip link set lo up",
    "ip route add local 0.0.0.0/0 dev lo",
    "ip -6 route add local ::/0 dev lo",
    ...Object.keys(files).map((name) => `mount --bind "$0/${name}" /etc/${name}`),
    'exec "$@"',
  ].join(" && ");
  const main = fileURLToPath(new URL("lab-main.ts", import.meta.url));
  const child = spawn("unshare", ["--net", "--mount", "sh", "-c", script, folder, process.execPath, main], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(child, "spawn");
  return child;
}

/** It takes with it whatever else still runs in its namespace. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  if (child.connected) child.disconnect();
  else child.kill("SIGKILL");
  await exited;
}

function asker(child: ChildProcess): (ask: LabAsk) => Promise<LabReply> {
  const waiting = new Map<number, PromiseWithResolvers<LabReply>>();
  child.on("message", (reply: LabReply) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.error === undefined) asked?.resolve(reply);
    else asked?.reject(new Error(`the lab: ${reply.error}`));
  });
  child.once("exit", (code, signal) => {
    for (const asked of waiting.values())
      asked.reject(new Error(`the lab ended with ${code ?? signal}; it needs root, CAP_SYS_ADMIN, CAP_NET_ADMIN, unshare and ip`));
  });
  let id = 0;
  return (ask) => {
    const asked = Promise.withResolvers<LabReply>();
    waiting.set((id += 1), asked);
    child.send({ ...ask, id }, (error) => {
      if (error !== null) asked.reject(error);
    });
    return asked.promise;
  };
}

/** A listener here for each server there that somebody wants to reach. */
class Relays implements AsyncDisposable {
  readonly #reachSocket: string;
  readonly #stack = new AsyncDisposableStack();
  readonly #urls = new Map<string, Promise<string>>();

  constructor(reachSocket: string) {
    this.#reachSocket = reachSocket;
  }

  /** The same for the same URL. */
  reach(url: string): Promise<string> {
    const known = this.#urls.get(url) ?? this.#listen(url);
    this.#urls.set(url, known);
    return known;
  }

  async #listen(url: string): Promise<string> {
    const there = new URL(url);
    const begin = Buffer.alloc(2);
    begin.writeUInt16BE(Number(there.port));
    const server = createServer((socket) => {
      const target = createConnection(this.#reachSocket);
      target.write(begin);
      for (const [one, other] of [
        [socket, target],
        [target, socket],
      ] as const) {
        one.on("error", () => undefined); // Its close says enough.
        one.on("close", () => other.destroy());
        one.pipe(other);
      }
      this.#stack.defer(() => void socket.destroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#stack.defer(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the relay does not listen on a TCP port");
    there.hostname = "127.0.0.1";
    there.port = String(address.port);
    return there.href.replace(/\/$/u, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function fail(message: string): never {
  throw new Error(message);
}

const ORIGIN_ADDRESSES = [ORIGIN_ADDRESS, OTHER_ORIGIN_ADDRESS, ORIGIN_ADDRESS_V6];
const CERTIFIED_NAMES = ["example.com", "example.org", "example.net"].flatMap((name) => [name, `*.${name}`]).concat(ORIGIN_ADDRESSES);
/** Remote login, mail, Docker, the services' own, NATS, Redis, and what people run beside them. */
const CANARY_PORTS = [22, 25, 1234, 1235, 1236, 1237, 1238, 1239, 2375, 3128, 4222, 6379, 8080, 8222, 8443];
