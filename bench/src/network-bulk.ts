import { once } from "node:events";
import { openConnection, openPlainTunnel, requestText, startDownload } from "./network-client.ts";
import { median } from "./median.ts";
import { type Route, startNetworkParts } from "./network-parts.ts";

/**
 * One large download without a limit, plain and in a tunnel, next to squid, tinyproxy and the direct way in turns.
 * `node bench/src/network-bulk.ts [MiB] [rounds]`
 */
const MIB = Number(process.argv[2] ?? 1_024);
const ROUNDS = Number(process.argv[3] ?? 3);

await using parts = await startNetworkParts({ rateBitsPerSecond: 0, withPeers: true });
const routes = [await parts.openDoor(), ...parts.peers, parts.direct];

console.log(`${MIB} MiB down, ${ROUNDS} rounds, medians; ratio: skrei's MiB/s over this one's`);
console.log("way      route        MiB/s   proxy CPU s / GiB   ratio");
for (const way of ["plain", "tunnel"] as const) {
  const figures = new Map<Route, Figure[]>(routes.map((route) => [route, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [route, measured] of figures) measured.push(await measure(route, way));
  }
  const of = (route: Route, key: keyof Figure): number => median((figures.get(route) ?? []).map((figure) => figure[key]));
  for (const route of routes) {
    const cpu = route === parts.direct ? "" : of(route, "cpuSecondsPerGib").toFixed(2);
    const ratio = of(routes[0] ?? route, "mibPerSecond") / of(route, "mibPerSecond");
    const cells = [of(route, "mibPerSecond").toFixed(0).padStart(7), cpu.padStart(19), ratio.toFixed(2).padStart(7)];
    console.log(way.padEnd(8), route.name.padEnd(10), ...cells);
  }
}

interface Figure {
  readonly mibPerSecond: number;
  readonly cpuSecondsPerGib: number;
}

async function measure(route: Route, way: "plain" | "tunnel"): Promise<Figure> {
  const { port } = parts.origin;
  const bytes = MIB * 1_024 * 1_024;
  const socket = way === "plain" ? await openConnection(route, port) : await openPlainTunnel(route, port);
  const cpuBeforeMs = route.process?.cpuMs() ?? 0;
  const startMs = performance.now();
  const download = startDownload(socket, requestText(way === "plain" ? route : parts.direct, "GET", { port, path: `/bulk/${bytes}` }));
  while (download.receivedBytes() < bytes) await once(socket, "data");
  const tookMs = performance.now() - startMs;
  const cpuMs = (route.process?.cpuMs() ?? 0) - cpuBeforeMs;
  socket.destroy();
  return { mibPerSecond: (MIB * 1_000) / tookMs, cpuSecondsPerGib: (cpuMs * 1.024) / MIB };
}
