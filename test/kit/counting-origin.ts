import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** A TCP server on loopback that keeps every byte it gets, by connection. */
export interface CountingOrigin extends AsyncDisposable {
  readonly port: number;
  /** All bytes of each connection so far, in the order in which the connections came. */
  readonly received: readonly Buffer[];
  readonly text: () => string;
  readonly connections: () => number;
}

export interface OriginOptions {
  /** Called when a connection has sent something; `all` is everything it has sent. */
  readonly onBytes?: (socket: Socket, all: Buffer) => void;
  readonly onConnection?: (socket: Socket) => void;
  readonly address?: string;
}

/** Answers each request head with an empty 200 and keeps the connection, unless `onBytes` does something else. */
export async function startCountingOrigin({
  onBytes = answerEachHead(),
  onConnection,
  address = "127.0.0.1",
}: OriginOptions = {}): Promise<CountingOrigin> {
  const received: Buffer[] = [];
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const index = received.push(Buffer.alloc(0)) - 1;
    open.add(socket);
    socket.on("error", () => socket.destroy()).once("close", () => open.delete(socket));
    onConnection?.(socket);
    socket.on("data", (chunk: Buffer) => {
      received[index] = Buffer.concat([received[index] ?? chunk, chunk]);
      onBytes(socket, received[index]);
    });
    socket.on("end", () => socket.end());
  });
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    received,
    text: () => Buffer.concat(received).toString("latin1"),
    connections: () => open.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function answerEachHead(): (socket: Socket, all: Buffer) => void {
  const answered = new WeakMap<Socket, number>();
  return (socket, all) => {
    const heads = all.toString("latin1").split("\r\n\r\n").length - 1;
    for (let count = answered.get(socket) ?? 0; count < heads; count++) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    answered.set(socket, heads);
  };
}
