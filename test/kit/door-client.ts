import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";

/** What a client must have to use a door. */
export interface DoorKey {
  readonly socketPath: string;
  /** `user:secret` */
  readonly credential: string;
}

export interface ProxyAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends `GET <uri>` in absolute form as it is spelt, however wrong it is, and reads the answer. */
export async function getThrough(door: DoorKey, uri: string, { host }: { readonly host?: string } = {}): Promise<ProxyAnswer> {
  const authority = host ?? /^[a-z]+:\/\/([^/]*)/u.exec(uri)?.[1] ?? "";
  return await exchange(door.socketPath, `GET ${uri} HTTP/1.1\r\nHost: ${authority}\r\n${credentialLine(door)}Connection: close\r\n\r\n`);
}

/** Sends `CONNECT <target>` as it is spelt; the tunnel stays open in `socket` when the answer is 200. The caller ends it. */
export async function connectThrough(door: DoorKey, target: string): Promise<ProxyAnswer & { readonly socket: Socket }> {
  const socket = createConnection(door.socketPath);
  socket.on("error", () => undefined); // Whoever waits for an answer hears of it by the close.
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${credentialLine(door)}\r\n`);
  const answer = await readAnswer(socket, { isTunnel: true });
  if (answer.status !== 200) socket.destroy();
  return { ...answer, socket };
}

/** `GET https://<host><path>` through a tunnel; TLS as the options say. @throws Error when the handshake fails or is cut. */
export async function getSecurely(door: DoorKey, url: string, options: ConnectionOptions): Promise<ProxyAnswer> {
  const { hostname, pathname, search, port } = new URL(url);
  const tunnel = await connectThrough(door, `${hostname}:${port === "" ? "443" : port}`);
  if (tunnel.status !== 200) return tunnel;
  try {
    const secure = await handshake(tunnel.socket, { servername: hostname, ...options });
    secure.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
    return await readAnswer(secure);
  } finally {
    tunnel.socket.destroy();
  }
}

/** @throws Error when it is refused or cut. */
export async function handshake(socket: Duplex, options: ConnectionOptions): Promise<TLSSocket> {
  const secure = connectTls({ socket, ...options });
  const cut = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const closed = once(secure, "close", { signal: cut }).then(() => Promise.reject(new Error("the connection was cut in the handshake")));
  await Promise.race([once(secure, "secureConnect", { signal: cut }), closed]);
  closed.catch(() => undefined); // Its end is no news once the handshake is done.
  secure.on("error", () => undefined);
  return secure;
}

/** Sends bytes as they are and reads one answer. @throws Error when the connection ends without one. */
export async function exchange(socketPath: string, request: string | Buffer): Promise<ProxyAnswer> {
  const socket = createConnection(socketPath);
  socket.on("error", () => undefined); // Whoever waits for an answer hears of it by the close.
  socket.write(request);
  try {
    return await readAnswer(socket);
  } finally {
    socket.destroy();
  }
}

/** The next answer on a connection, with its body unless a tunnel begins there. */
export async function readAnswer(socket: Socket, { isTunnel = false }: { readonly isTunnel?: boolean } = {}): Promise<ProxyAnswer> {
  const done = Promise.withResolvers<ProxyAnswer>();
  let received = "";
  const check = (isEnd: boolean): void => {
    const answer = parseAnswer(received, { isTunnel, isEnd });
    if (answer !== undefined) done.resolve(answer);
    else if (isEnd) done.reject(new Error(`the connection ended without an answer, after: ${JSON.stringify(received)}`));
  };
  const onData = (data: Buffer): void => {
    received += data.toString("latin1");
    check(false);
  };
  const onEnd = (): void => check(true);
  const timer = setTimeout(() => done.reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)), ANSWER_TIMEOUT_MS);
  socket.on("data", onData).once("end", onEnd).once("close", onEnd).resume();
  try {
    return await done.promise;
  } finally {
    clearTimeout(timer);
    socket.pause().off("data", onData).off("end", onEnd).off("close", onEnd);
  }
}

/** As the proxy wants it, with its line end. */
export function credentialLine({ credential }: Pick<DoorKey, "credential">): string {
  return `Proxy-Authorization: Basic ${Buffer.from(credential).toString("base64")}\r\n`;
}

function parseAnswer(
  received: string,
  { isTunnel, isEnd }: { readonly isTunnel: boolean; readonly isEnd: boolean },
): ProxyAnswer | undefined {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine = "", ...lines] = received.slice(0, headEnd).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(":")[0]?.toLowerCase() ?? "", line.slice(line.indexOf(":") + 1).trim()]),
  );
  const status = Number(statusLine.split(" ")[1]);
  const body = received.slice(headEnd + 4);
  const length = headers["content-length"];
  const isWhole =
    isEnd ||
    (isTunnel && status === 200) ||
    (length !== undefined && body.length >= Number(length)) ||
    (headers["transfer-encoding"] === "chunked" && body.endsWith("0\r\n\r\n"));
  return isWhole ? { status, headers, body } : undefined;
}

const ANSWER_TIMEOUT_MS = 15_000;
