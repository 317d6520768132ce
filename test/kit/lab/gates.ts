import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { CanarySighting, OriginConnection } from "./protocol.ts";

export interface GatesOptions {
  readonly originAddresses: ReadonlySet<string>;
  readonly canaryPorts: readonly number[];
  /** Takes a connection that came to an origin. */
  onOrigin(socket: Socket): void;
}

export interface Gates {
  takeCanaries(): CanarySighting[];
  takeConnections(): OriginConnection[];
}

/**
 * Listens on every address that there is: one listener for each port and family. A connection to an origin's address at 80 or 443
 * is the origin's; all others are canaries, which take everything, answer nothing and remember.
 */
export async function openGates(options: GatesOptions): Promise<Gates> {
  const seen: Seen = { canaries: [], connections: [] };
  const ports = [...new Set([...ORIGIN_PORTS, ...options.canaryPorts])];
  for (const port of ports)
    for (const host of ["0.0.0.0", "::"])
      await listen(
        createServer((socket) => onConnection(socket, options, seen)),
        { host, port },
      );
  return {
    takeCanaries: () => seen.canaries.splice(0),
    takeConnections: () => seen.connections.splice(0).map(({ socket, ...where }) => ({ ...where, bytes: socket.bytesRead })),
  };
}

interface Seen {
  readonly canaries: { -readonly [Key in keyof CanarySighting]: CanarySighting[Key] }[];
  readonly connections: { readonly address: string; readonly port: number; readonly socket: Socket }[];
}

function onConnection(socket: Socket, { originAddresses, onOrigin }: GatesOptions, { canaries, connections }: Seen): void {
  const { localAddress: address = "", localPort: port = 0 } = socket;
  socket.on("error", () => undefined); // What matters is what came before.
  if (originAddresses.has(address) && ORIGIN_PORTS.includes(port)) {
    connections.push({ address, port, socket });
    onOrigin(socket);
    return;
  }
  const sighting = { address, port, bytes: 0, begin: "" };
  canaries.push(sighting);
  socket.on("data", (data: Buffer) => {
    sighting.bytes += data.length;
    if (sighting.begin.length < BEGIN_LENGTH_MAX) sighting.begin += data.toString("latin1").slice(0, BEGIN_LENGTH_MAX);
  });
}

async function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  server.listen({ host, port, ipv6Only: true, backlog: 4_096 });
  await once(server, "listening");
}

const ORIGIN_PORTS: readonly number[] = [80, 443];
const BEGIN_LENGTH_MAX = 200;
