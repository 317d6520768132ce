import type { Socket } from "node:net";
import { openPlainTunnel } from "./network-client.ts";
import { percentile } from "./median.ts";
import { type Route, startNetworkParts } from "./network-parts.ts";

/**
 * Memory of a proxy that holds many tunnels of one execution in which nothing moves, and how fast another execution gets tunnels
 * meanwhile, next to squid and tinyproxy. `node bench/src/network-idle.ts [tunnels]`
 */
const TUNNELS = Number(process.argv[2] ?? 5_000);
const AT_ONCE = 50;
const PROBES = 500;
const MIB = 1_024 * 1_024;

await using parts = await startNetworkParts({ rateBitsPerSecond: 0, withPeers: true });
const [holder, other] = [await parts.openDoor(), await parts.openDoor()];

console.log(`${TUNNELS} idle tunnels; CONNECT of another execution, ${PROBES} one after the other`);
console.log("route        RSS MiB before   with tunnels   KiB a tunnel   CONNECT p50, p99 ms before      with tunnels");
for (const [route, asking] of [[holder, other], ...parts.peers.map((peer) => [peer, peer] as const)] as const) {
  await probe(asking);
  const [rssBefore, before] = [rssMib(route), await probe(asking)];
  const tunnels = await openTunnels(route);
  const [rssWith, during] = [rssMib(route), await probe(asking)];
  const held = tunnels.filter((socket) => !socket.destroyed).length;
  if (held < TUNNELS) console.log(`${route.name} dropped ${TUNNELS - held} tunnels`);
  for (const socket of tunnels) socket.destroy();
  const each = ((rssWith - rssBefore) * 1_024) / TUNNELS;
  const cells = [rssBefore.toFixed(0).padStart(14), rssWith.toFixed(0).padStart(14), each.toFixed(1).padStart(14)];
  console.log(route.name.padEnd(12), ...cells, before.padStart(28), during.padStart(17));
}

function rssMib({ process: proxy }: Route): number {
  return (proxy?.rssBytes() ?? Number.NaN) / MIB;
}

async function openTunnels(route: Route): Promise<Socket[]> {
  const tunnels: Socket[] = [];
  let left = TUNNELS;
  const worker = async (): Promise<void> => {
    while (left-- > 0) tunnels.push(await openPlainTunnel(route, parts.origin.port));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return tunnels;
}

/** p50 and p99 from connecting to the proxy's word that the tunnel is there. */
async function probe(route: Route): Promise<string> {
  const latenciesMs: number[] = [];
  for (let count = 0; count < PROBES; count++) {
    const startMs = performance.now();
    const socket = await openPlainTunnel(route, parts.origin.port);
    latenciesMs.push(performance.now() - startMs);
    socket.destroy();
  }
  return [0.5, 0.99].map((share) => percentile(latenciesMs, share).toFixed(2)).join(", ");
}
