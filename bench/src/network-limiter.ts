import { setTimeout } from "node:timers/promises";
import { openConnection, openPlainTunnel, requestText, startDownload } from "./network-client.ts";
import { jainIndex } from "./median.ts";
import { type Route, startNetworkParts } from "./network-parts.ts";

/**
 * What the limiter lets through, as payload where it arrives: one execution, both ways at once, plain and in tunnels; then two
 * executions at once, of which one has many connections. `node bench/src/network-limiter.ts [seconds] [Mbit/s]`
 */
const WINDOW_MS = Number(process.argv[2] ?? 10) * 1_000;
const RATE = Number(process.argv[3] ?? 10) * 1_000_000;
/** Connections are opened and the first burst is over. */
const WARM_UP_MS = 1_000;
const ENDLESS_BYTES = 1_000_000_000_000;
const BLOCK = Buffer.alloc(64 * 1_024, "u");
let uploads = 0;

await using parts = await startNetworkParts({ rateBitsPerSecond: RATE, withPeers: false });

console.log(`${RATE / 1_000_000} Mbit/s each way, ${WINDOW_MS / 1_000} s, up and down at once; connections are for each direction`);
console.log("executions   way      connections   down Mbit/s   off by   up Mbit/s   off by   Jain of connections (down, up)");
for (const way of ["plain", "tunnel"] as const) {
  for (const connections of [1, 8, 64]) await report("1", way, [connections]);
}
for (const way of ["plain", "tunnel"] as const) {
  for (const connections of [8, 64]) await report("2", way, [1, connections]);
}

interface Measured {
  readonly connections: number;
  /** Bit/s of each connection. */
  readonly down: readonly number[];
  readonly up: readonly number[];
}

async function report(executions: string, way: "plain" | "tunnel", connections: readonly number[]): Promise<void> {
  const measured = await measure(way, connections);
  for (const { down, up, connections: count } of measured) {
    const cells = [down, up].map((rates) => {
      const rate = sum(rates);
      return `${(rate / 1_000_000).toFixed(3).padStart(13)} ${(((rate - RATE) / RATE) * 100).toFixed(2).padStart(6)} %`;
    });
    const fairness = [down, up].map((rates) => jainIndex(rates).toFixed(3)).join(", ");
    console.log(executions.padEnd(12), way.padEnd(8), String(count).padStart(11), ...cells, fairness.padStart(26));
  }
  if (measured.length < 2) return;
  const between = (["down", "up"] as const).map((key) => jainIndex(measured.map((one) => sum(one[key]))).toFixed(4));
  console.log(`             Jain between the executions: down ${between[0]}, up ${between[1]}`);
}

async function measure(way: "plain" | "tunnel", connections: readonly number[]): Promise<readonly Measured[]> {
  await using stack = new AsyncDisposableStack();
  const executions = [];
  for (const count of connections) {
    const route = await parts.openDoor();
    const transfers = Array.from({ length: count }, async () => ({
      downBytes: await download(route, way, stack),
      upName: await upload(route, way, stack),
    }));
    executions.push({ count, transfers: await Promise.all(transfers) });
  }
  const names = executions.map(({ transfers }) => transfers);
  await setTimeout(WARM_UP_MS);
  const before = await sample(names);
  await setTimeout(WINDOW_MS);
  const after = await sample(names);
  return executions.map(({ count }, execution) => ({
    connections: count,
    down: rates(before[execution]?.down, after[execution]?.down),
    up: rates(before[execution]?.up, after[execution]?.up),
  }));
}

interface Transfer {
  readonly downBytes: () => number;
  readonly upName: string;
}

interface Sample {
  readonly atMs: number;
  readonly bytes: readonly number[];
}

/** Each direction in the clock of the process that receives. */
async function sample(executions: readonly (readonly Transfer[])[]): Promise<{ readonly down: Sample; readonly up: Sample }[]> {
  const received = await parts.origin.sample();
  const atMs = performance.now();
  return executions.map((transfers) => ({
    down: { atMs, bytes: transfers.map(({ downBytes }) => downBytes()) },
    up: { atMs: received.atMs, bytes: transfers.map(({ upName }) => received.receivedBytes[upName] ?? 0) },
  }));
}

function rates(before: Sample | undefined, after: Sample | undefined): number[] {
  if (before === undefined || after === undefined) return [];
  return after.bytes.map((bytes, index) => ((bytes - (before.bytes[index] ?? 0)) * 8_000) / (after.atMs - before.atMs));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function download(route: Route, way: "plain" | "tunnel", stack: AsyncDisposableStack): Promise<() => number> {
  const { port } = parts.origin;
  const socket = way === "plain" ? await openConnection(route, port) : await openPlainTunnel(route, port);
  stack.defer(() => void socket.destroy());
  const asked = way === "plain" ? route : parts.direct;
  return startDownload(socket, requestText(asked, "GET", { port, path: `/bulk/${ENDLESS_BYTES}` })).receivedBytes;
}

/** Writes as fast as the other end takes it, and returns the name under which the origin counts it. */
async function upload(route: Route, way: "plain" | "tunnel", stack: AsyncDisposableStack): Promise<string> {
  const { port } = parts.origin;
  const name = `upload-${uploads++}`;
  const socket = way === "plain" ? await openConnection(route, port) : await openPlainTunnel(route, port);
  stack.defer(() => void socket.destroy());
  const asked = way === "plain" ? route : parts.direct;
  socket.write(requestText(asked, "POST", { port, path: `/sink/${name}` }, `Content-Length: ${ENDLESS_BYTES}\r\n`));
  const fill = (): void => {
    while (!socket.destroyed && socket.write(BLOCK));
  };
  socket.on("drain", fill);
  fill();
  return name;
}
