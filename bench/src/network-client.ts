import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { HOST, type Route } from "./network-parts.ts";

/** A connection for requests to the origin's plain port; the request line that it wants comes from `requestText`. */
export async function openConnection({ proxy }: Route, port: number): Promise<Socket> {
  const socket = connect(proxy ?? { port, host: "127.0.0.1" });
  socket.setNoDelay(true);
  await once(socket, "connect");
  return socket;
}

/** Whole head of a request, in the form that the route wants. `headers` have line ends. */
export function requestText(
  { proxy, credential }: Route,
  method: "GET" | "POST",
  url: { readonly port: number; readonly path: string },
  headers = "",
): string {
  const uri = proxy === undefined ? url.path : `http://${HOST}:${url.port}${url.path}`;
  return `${method} ${uri} HTTP/1.1\r\nHost: ${HOST}:${url.port}\r\n${credential}${headers}\r\n`;
}

/** A tunnel to a port of the origin; the bare connection on the direct way. @throws Error when it is refused. */
export async function openTunnel(route: Route, port: number): Promise<Socket> {
  const socket = await openConnection(route, port);
  if (route.proxy === undefined) return socket;
  socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n${route.credential}\r\n`);
  const answer = await readHead(socket);
  if (/^HTTP\/1\.[01] 200 /u.test(answer)) return socket;
  socket.destroy();
  throw new Error(`${route.name} refused a tunnel: ${answer}`);
}

/** A tunnel whose first bytes are a real ClientHello, which the origin's plain port throws away: from then on it is free. */
export async function openPlainTunnel(route: Route, port: number): Promise<Socket> {
  const socket = await openTunnel(route, port);
  socket.write(CLIENT_HELLO);
  return socket;
}

/** A full handshake, without any session of before, then one GET. */
export async function getSecurely(socket: Socket, authority: string): Promise<void> {
  const secure = connectTls({ socket, servername: HOST, ca: authority });
  await once(secure, "secureConnect");
  secure.write(`GET /small HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  await readAnswer(secure);
  secure.destroy();
}

/** Reads one answer with a Content-Length to its end. Its head is returned. */
export function readAnswer(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let head = "";
  let leftBytes = 0;
  const finish = (): void => {
    socket.off("data", onData).off("close", onClose);
    resolve(head);
  };
  const onClose = (): void => reject(new Error(`the connection was closed in an answer: ${head}`));
  const onData = (chunk: Buffer): void => {
    if (leftBytes === 0) {
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!/^HTTP\/1\.[01] 200 /u.test(head)) reject(new Error(`not answered: ${head}`));
      leftBytes = Number(/\r\ncontent-length: *(\d+)/iu.exec(head)?.[1]) - (head.length - end - 4);
      head = head.slice(0, end);
    } else leftBytes -= chunk.length;
    if (leftBytes === 0) finish();
  };
  socket.on("data", onData).once("close", onClose);
  return promise;
}

/** Sends a request and counts the body of its answer as it comes. */
export function startDownload(socket: Socket, request: string): { readonly receivedBytes: () => number } {
  let head: string | undefined = "";
  let receivedBytes = 0;
  socket.on("data", (chunk: Buffer) => {
    receivedBytes += chunk.length;
    if (head === undefined) return;
    head += chunk.toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    receivedBytes -= end + 4;
    head = undefined;
  });
  socket.write(request);
  return { receivedBytes: () => (head === undefined ? receivedBytes : 0) };
}

/** Up to the empty line. What follows is for whoever reads next; nothing does before the client has spoken. */
function readHead(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let head = "";
  const onClose = (): void => reject(new Error(`the connection was closed in an answer: ${head}`));
  const onData = (chunk: Buffer): void => {
    head += chunk.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    socket.off("data", onData).off("close", onClose);
    resolve(head);
  };
  socket.on("data", onData).once("close", onClose);
  return promise;
}

const CLIENT_HELLO = await recordClientHello();

async function recordClientHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      resolve(chunk);
      done();
    },
  });
  const secure = connectTls({ socket: wire, servername: HOST });
  secure.on("error", () => undefined); // Nobody answers.
  const hello = await promise;
  secure.destroy();
  return hello;
}
