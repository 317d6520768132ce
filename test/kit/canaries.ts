import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Listens for TCP and UDP at one port of every address of this namespace and remembers who came. */
export interface Canaries extends AsyncDisposable {
  readonly port: number;
  /** One line for each connection and datagram since the last call. */
  take(): string[];
}

export async function openCanaries(): Promise<Canaries> {
  const seen: string[] = [];
  const tcp = createServer((socket) => {
    seen.push(`tcp ${String(socket.remoteAddress)} -> ${String(socket.localAddress)}`);
    socket.on("error", () => undefined).end();
  });
  await once(tcp.listen(0, "0.0.0.0"), "listening");
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket("udp4", (data, { address }) => seen.push(`udp ${address}: ${data.toString("latin1")}`));
  udp.bind(port, "0.0.0.0");
  await once(udp, "listening");
  return {
    port,
    take: () => seen.splice(0),
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      await once(tcp, "close");
    },
  };
}
