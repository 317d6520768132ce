import { once } from "node:events";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { type DnsServer, startDnsServer } from "./lab/dns-server.ts";
import { type Gates, openGates } from "./lab/gates.ts";
import { createOrigins, type Origins } from "./lab/origins.ts";
import type { LabAsk, LabMessage, LabPlan, LabReply, Sightings } from "./lab/protocol.ts";

/** The inside of a lab: runs in its network namespace, is told what to do by the test, and ends with it. */
interface Inside {
  readonly dns: DnsServer;
  readonly gates: Gates;
  readonly origins: Origins;
}

const ownNamespace = readlinkSync("/proc/self/ns/net");
// It would own every address of the host, and end everybody on it.
if (ownNamespace === readlinkSync(`/proc/${process.ppid}/ns/net`)) throw new Error("a lab needs a network namespace of its own");

let inside: Inside | undefined;

process.on("disconnect", () => {
  endEverybody();
  process.exit(0);
});
process.on("message", (message: LabMessage) => {
  void answer(message).then(
    (sightings) => reply({ id: message.id, ...(sightings !== undefined && { sightings }) }),
    (error: unknown) => reply({ id: message.id, error: String(error) }),
  );
});

async function answer(message: LabAsk): Promise<Sightings | undefined> {
  if (message.ask === "start") inside = await start(message.plan);
  if (inside === undefined) throw new Error("the lab has not been started");
  if (message.ask === "setZone") inside.dns.setZone(message.zone);
  if (message.ask !== "takeSightings") return undefined;
  const { dns, gates, origins } = inside;
  return {
    canaries: gates.takeCanaries(),
    connections: gates.takeConnections(),
    requests: origins.takeRequests(),
    queries: dns.takeQueries(),
  };
}

async function start(plan: LabPlan): Promise<Inside> {
  const origins = createOrigins(plan);
  const gates = await openGates({
    originAddresses: new Set(plan.originAddresses),
    canaryPorts: plan.canaryPorts,
    onOrigin: origins.accept,
  });
  const server = createServer((socket) => void relay(socket)).listen(plan.reachSocket);
  await once(server, "listening");
  return { dns: await startDnsServer(), gates, origins };
}

/** The first two bytes are the port of 127.0.0.1 that is meant; then everything goes through, both ways. */
async function relay(socket: Socket): Promise<void> {
  socket.on("error", () => undefined); // Its close says enough.
  let begin = Buffer.alloc(0);
  while (begin.length < 2) begin = Buffer.concat([begin, ((await once(socket, "data")) as [Buffer])[0]]);
  socket.pause();
  const target = createConnection({ host: "127.0.0.1", port: begin.readUInt16BE(0) });
  target.on("error", () => socket.destroy());
  target.on("close", () => socket.destroy());
  socket.on("close", () => target.destroy());
  target.write(begin.subarray(2));
  socket.pipe(target);
  target.pipe(socket);
}

/** What a test did not come to end: everything else in this network namespace, which is this lab's alone, and all that it started. */
function endEverybody(): void {
  const parents = new Map(pids().map((pid) => [pid, parentOf(pid)]));
  const mine = new Set([...parents.keys()].filter((pid) => pid !== process.pid && namespaceOf(pid) === ownNamespace));
  // A container's own processes are in other namespaces.
  for (let size = -1; size !== mine.size;) {
    size = mine.size;
    for (const [pid, parent] of parents) if (mine.has(parent)) mine.add(pid);
  }
  for (const pid of mine) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      continue; // It has ended by itself.
    }
  }
}

function pids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

/** 0 when it has ended. */
function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\t(\d+)$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Empty when it has ended. */
function namespaceOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}

function reply(message: LabReply): void {
  process.send?.(message);
}
