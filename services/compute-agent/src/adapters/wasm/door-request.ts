import { once } from "node:events";
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import { connect as tlsConnect, type SecureContext, type TLSSocket } from "node:tls";
import { HttpProblem } from "./http-problem.ts";
import { HTTP_HEADERS_BYTES_MAX } from "./http-protocol.ts";
import type { Hop } from "./http-redirect.ts";

export interface DoorAccess {
  readonly socketPath: string;
  readonly credential: string;
  readonly trust: () => SecureContext;
}

/**
 * Begins a request through the door: http in absolute form, https by a tunnel that ends here. The proxy decides about each one anew.
 * @throws HttpProblem when the proxy refuses the tunnel; errors of sockets and TLS as they are.
 */
export async function openRequest(hop: Hop, door: DoorAccess, signal: AbortSignal): Promise<ClientRequest> {
  signal.throwIfAborted();
  const isTunnel = hop.url.protocol === "https:";
  const socket = isTunnel ? await secure(await openTunnel(hop.url, door, signal), hop.url, door.trust(), signal) : connect(door.socketPath);
  const request = httpRequest({
    createConnection: () => socket,
    method: hop.method,
    path: isTunnel ? `${hop.url.pathname}${hop.url.search}` : hop.url.href,
    headers: headersOf(hop, isTunnel ? undefined : door.credential).flat(),
    maxHeaderSize: HTTP_HEADERS_BYTES_MAX,
    signal,
  });
  // Lasting: without a listener an error after the answer would end the process.
  request.on("error", () => undefined);
  return request;
}

/** What the proxy itself says instead of an origin. @throws HttpProblem. */
export async function throwRefusal(url: URL, response: IncomingMessage, body: AsyncIterable<Buffer>): Promise<never> {
  const reason = String(response.headers["x-skrei-reason"] ?? "");
  // The proxy begins with our name, as its words mostly stand alone; here they go into a line that has it already.
  const words = (await readWords(body)).replace(/^skrei: /u, "");
  const what = words === "" ? `the proxy answered ${response.statusCode}` : words;
  throw new HttpProblem(resultOf(response.statusCode ?? 0, reason), reason === "" ? what : `${what} (${reason})`, {
    key: `${url.host} ${reason}`,
  });
}

function resultOf(status: number, reason: string): HttpProblem["result"] {
  if (reason === "EGRESS_HOST_INVALID") return "invalidUrl";
  if (status === 400) return "badInput";
  if (status === 504) return "timeout";
  return status >= 500 ? "networkError" : "notAllowed";
}

function headersOf({ url, headers, method, bodyBytes }: Hop, credential: string | undefined): (readonly [string, string])[] {
  const has = (name: string): boolean => headers.some(([given]) => given.toLowerCase() === name);
  const isBodyUsual = method === "POST" || method === "PUT" || method === "PATCH";
  return [
    ["host", url.host],
    ...(credential === undefined ? [] : [["proxy-authorization", basic(credential)] as const]),
    ...(bodyBytes > 0 || isBodyUsual ? [["content-length", String(bodyBytes)] as const] : []),
    ...(has("accept-encoding") ? [] : [["accept-encoding", "identity"] as const]),
    ...(has("user-agent") ? [] : [["user-agent", "skrei"] as const]),
    ...headers,
  ];
}

async function openTunnel(url: URL, { socketPath, credential }: DoorAccess, signal: AbortSignal): Promise<Socket> {
  const target = `${url.hostname}:${url.port === "" ? "443" : url.port}`;
  const request = httpRequest({
    createConnection: () => connect(socketPath),
    method: "CONNECT",
    path: target,
    headers: { host: target, "proxy-authorization": basic(credential) },
    maxHeaderSize: HTTP_HEADERS_BYTES_MAX,
    signal,
  });
  request.on("error", () => undefined);
  request.end();
  const [response, socket, head] = (await once(request, "connect", { signal })) as [IncomingMessage, Socket, Buffer];
  socket.on("error", () => undefined);
  if (head.length > 0) socket.unshift(head);
  if (response.statusCode === 200) return socket;
  const stop = (): void => void socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await throwRefusal(url, response, bodyOf(socket, Number(response.headers["content-length"] ?? Number.NaN)));
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

/** Node parses no body of an answer to CONNECT. */
async function* bodyOf(socket: Socket, lengthBytes: number): AsyncGenerator<Buffer> {
  let left = lengthBytes;
  if (left === 0) return;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    yield chunk.subarray(0, Number.isNaN(left) ? chunk.length : left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function secure(socket: Socket, url: URL, secureContext: SecureContext, signal: AbortSignal): Promise<TLSSocket> {
  const host = url.hostname.replace(/^\[|\]$|\.$/gu, "");
  const name = isIP(host) === 0 ? { servername: host } : {};
  const secured = tlsConnect({ socket, host, ...name, secureContext, ALPNProtocols: ["http/1.1"] });
  secured.on("error", () => undefined);
  try {
    await once(secured, "secureConnect", { signal });
    return secured;
  } catch (error) {
    secured.destroy();
    socket.destroy();
    throw certificateProblem(url, secured, error) ?? error;
  }
}

/** Node's words go on after a semicolon with advice to whoever starts Node; the task's user cannot do that. */
function certificateProblem({ host }: URL, { authorizationError }: TLSSocket, error: unknown): HttpProblem | undefined {
  const isOfCertificate = error instanceof Error && "code" in error && error.code === String(authorizationError);
  if (!isOfCertificate || error.code === "ERR_TLS_CERT_ALTNAME_INVALID") return undefined;
  const why = error.message.split(";")[0] ?? "";
  const message = `the certificate of ${host} is not trusted by this node: ${why}`;
  return new HttpProblem("networkError", message, { key: `${host} ${String(error.code)}`, cause: error });
}

async function readWords(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const piece of body) {
      pieces.push(piece);
      sizeBytes += piece.length;
      if (sizeBytes >= WORDS_BYTES_MAX) break;
    }
  } catch {
    // The words are a courtesy; the status says enough.
  }
  return Buffer.concat(pieces).subarray(0, WORDS_BYTES_MAX).toString().trim();
}

function basic(credential: string): string {
  return `Basic ${Buffer.from(credential).toString("base64")}`;
}

const WORDS_BYTES_MAX = 2_048;
