import { openConnection, readAnswer, requestText } from "./network-client.ts";
import { median, percentile } from "./median.ts";
import { type NetworkParts, type Route, startNetworkParts } from "./network-parts.ts";

/**
 * Small GETs (1 KiB) over plain HTTP on connections that are kept where the proxy keeps them, next to squid and tinyproxy in turns.
 * `node bench/src/network-http.ts [seconds a round] [rounds]`
 */
const ROUND_MS = Number(process.argv[2] ?? 2) * 1_000;
const ROUNDS = Number(process.argv[3] ?? 3);

await using parts = await startNetworkParts({ rateBitsPerSecond: 0, withPeers: true });
const routes = [await parts.openDoor(), ...parts.peers, parts.direct];
for (const route of routes) await measure(parts, route, 16);

console.log(`small GETs, ${ROUNDS} rounds of ${ROUND_MS} ms each, medians; ratio: skrei's requests/s over this one's`);
console.log("connections   route       requests/s   p50 ms   p99 ms   proxy CPU s / 1,000   ratio");
for (const connections of [1, 16, 64]) {
  const figures = new Map<Route, Figure[]>(routes.map((route) => [route, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [route, measured] of figures) measured.push(await measure(parts, route, connections));
  }
  const skrei = median([...figures.values()][0]?.map(({ perSecond }) => perSecond) ?? []);
  for (const [{ name }, measured] of figures) {
    const of = (key: keyof Figure): number => median(measured.map((figure) => figure[key]));
    const cells = [of("perSecond").toFixed(0).padStart(10), of("p50Ms").toFixed(2).padStart(8), of("p99Ms").toFixed(2).padStart(8)];
    const cpu = name === "direct" ? "" : of("cpuMs").toFixed(3);
    console.log(
      String(connections).padStart(11),
      " ",
      name.padEnd(10),
      ...cells,
      cpu.padStart(19),
      (skrei / of("perSecond")).toFixed(2).padStart(10),
    );
  }
}

interface Figure {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** For one request, so seconds for 1,000. */
  readonly cpuMs: number;
}

async function measure({ origin }: NetworkParts, route: Route, connections: number): Promise<Figure> {
  const latenciesMs: number[] = [];
  const request = requestText(route, "GET", { port: origin.port, path: "/small" });
  const cpuBeforeMs = route.process?.cpuMs() ?? 0;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    let socket = await openConnection(route, origin.port);
    while (performance.now() - startMs < ROUND_MS) {
      const sentMs = performance.now();
      // Whoever closes after each answer makes its client connect for each request.
      if (socket.destroyed) socket = await openConnection(route, origin.port);
      socket.write(request);
      await readAnswer(socket);
      if (!route.keepsConnections) socket.destroy();
      latenciesMs.push(performance.now() - sentMs);
    }
    socket.destroy();
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const tookMs = performance.now() - startMs;
  return {
    perSecond: (latenciesMs.length * 1_000) / tookMs,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    cpuMs: ((route.process?.cpuMs() ?? 0) - cpuBeforeMs) / latenciesMs.length,
  };
}
