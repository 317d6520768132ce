import { getSecurely, openTunnel } from "./network-client.ts";
import { median, percentile } from "./median.ts";
import { type NetworkParts, type Route, startNetworkParts } from "./network-parts.ts";

/**
 * CONNECT, a full TLS handshake, one small GET: a new tunnel for each, next to squid, tinyproxy and a direct TLS connection in turns.
 * `node bench/src/network-connect.ts [requests a round] [rounds]`
 */
const REQUESTS = Number(process.argv[2] ?? 300);
const ROUNDS = Number(process.argv[3] ?? 5);

await using parts = await startNetworkParts({ rateBitsPerSecond: 0, withPeers: true });
const routes = [await parts.openDoor(), ...parts.peers, parts.direct];
for (const route of routes) await measure(parts, route, 16);

console.log(`CONNECT + TLS + GET, ${ROUNDS} rounds of ${REQUESTS}, medians; ratio: skrei's requests/s over this one's`);
console.log("at once   route       requests/s   p50 ms   p99 ms   p50 over direct   proxy CPU s / 1,000   ratio");
for (const atOnce of [1, 16]) {
  const figures = new Map<Route, Figure[]>(routes.map((route) => [route, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [route, measured] of figures) measured.push(await measure(parts, route, atOnce));
  }
  const of = (route: Route, key: keyof Figure): number => median((figures.get(route) ?? []).map((figure) => figure[key]));
  for (const route of routes) {
    const [perSecond, p50Ms] = [of(route, "perSecond"), of(route, "p50Ms")];
    const cells = [perSecond.toFixed(0).padStart(10), p50Ms.toFixed(2).padStart(8), of(route, "p99Ms").toFixed(2).padStart(8)];
    const added = `${(p50Ms - of(parts.direct, "p50Ms")).toFixed(2)} ms`.padStart(17);
    const cpu = (route === parts.direct ? "" : of(route, "cpuMs").toFixed(3)).padStart(21);
    const ratio = (of(routes[0] ?? route, "perSecond") / perSecond).toFixed(2).padStart(7);
    console.log(String(atOnce).padStart(7), " ", route.name.padEnd(10), ...cells, added, cpu, ratio);
  }
}

interface Figure {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** For one request, so seconds for 1,000. */
  readonly cpuMs: number;
}

async function measure({ origin }: NetworkParts, route: Route, atOnce: number): Promise<Figure> {
  const latenciesMs: number[] = [];
  let left = REQUESTS;
  const cpuBeforeMs = route.process?.cpuMs() ?? 0;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const sentMs = performance.now();
      await getSecurely(await openTunnel(route, origin.tlsPort), origin.authority);
      latenciesMs.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return {
    perSecond: (REQUESTS * 1_000) / (performance.now() - startMs),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    cpuMs: ((route.process?.cpuMs() ?? 0) - cpuBeforeMs) / REQUESTS,
  };
}
