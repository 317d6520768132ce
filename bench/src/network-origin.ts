import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/**
 * The origin of the network benchmarks, as small as can be, in a process of its own: `GET /small`, `GET /bulk/BYTES` and
 * `POST /sink/NAME`, whose body it counts. A connection that begins with a TLS ClientHello goes on in plain text after it: what a
 * tunnel costs is seen then, and not what TLS costs at both ends. Tells its ports to its parent, and answers each message with counts.
 */
export interface OriginPorts {
  readonly port: number;
  readonly tlsPort: number;
}

export interface SinkSample {
  /** In the origin's clock. */
  readonly atMs: number;
  readonly receivedBytes: Readonly<Record<string, number>>;
}

const SMALL_BODY = Buffer.alloc(1_024, "s");
const SMALL = Buffer.concat([Buffer.from(head(SMALL_BODY.length)), SMALL_BODY]);
const BLOCK = Buffer.alloc(64 * 1_024, "b");
const receivedBytes: Record<string, number> = {};

const LISTEN = { port: 0, host: "127.0.0.1", backlog: 4_096 };
const { ORIGIN_KEY: key, ORIGIN_CERTIFICATE: cert } = process.env;
const plain = createServer({ noDelay: true }, serve);
const tls = createTlsServer({ key, cert, noDelay: true }, serve);
plain.listen(LISTEN, () => void tls.listen(LISTEN, report));
tls.on("tlsClientError", () => undefined); // Clients may leave in the middle of a handshake.
process.on("message", () => process.send?.({ atMs: performance.now(), receivedBytes } satisfies SinkSample));
process.on("disconnect", () => process.exit());

function report(): void {
  const [port, tlsPort] = [plain, tls].map((server) => (server.address() as AddressInfo).port);
  process.send?.({ port, tlsPort });
}

function serve(socket: Socket): void {
  let waiting: Buffer = Buffer.alloc(0);
  let sink: string | undefined;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    if (sink !== undefined) {
      count(sink, chunk.length);
      return;
    }
    waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
    while (sink === undefined) {
      const length = messageLength(waiting);
      if (length === undefined) return;
      const message = waiting.subarray(0, length);
      waiting = waiting.subarray(length);
      sink = answer(socket, message.toString("latin1", 0, 256));
    }
    count(sink, waiting.length);
  });
}

/** Of a TLS record, or of a request's head. */
function messageLength(bytes: Buffer): number | undefined {
  if (bytes[0] === 0x16) return bytes.length < 5 || bytes.length < 5 + bytes.readUInt16BE(3) ? undefined : 5 + bytes.readUInt16BE(3);
  const end = bytes.indexOf("\r\n\r\n");
  return end < 0 ? undefined : end + 4;
}

/** The name of the sink that the rest of the connection goes to. */
function answer(socket: Socket, request: string): string | undefined {
  const [, kind, what = ""] = /^(?:GET|POST) \/(small|bulk|sink)\/?(\S*) /u.exec(request) ?? [];
  if (kind === "small") socket.write(SMALL);
  if (kind === "bulk") {
    socket.write(head(Number(what)));
    writeBlocks(socket, Number(what));
  }
  return kind === "sink" ? what : undefined;
}

function writeBlocks(socket: Socket, bytes: number): void {
  let left = bytes;
  while (left > 0 && !socket.destroyed) {
    const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
    left -= block.length;
    if (socket.write(block)) continue;
    const rest = left;
    socket.once("drain", () => writeBlocks(socket, rest));
    return;
  }
}

function head(bytes: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${bytes}\r\n\r\n`;
}

function count(name: string, bytes: number): void {
  receivedBytes[name] = (receivedBytes[name] ?? 0) + bytes;
}
