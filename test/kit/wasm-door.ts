import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { Door } from "@skrei/compute-agent/ports";

/** A proxy on a unix socket that speaks as the network-proxy does: to known hosts, with the right credential, and refuses the rest. */
export interface WasmDoor extends AsyncDisposable {
  readonly door: Door;
  /** `METHOD target` of each request, in order. */
  readonly asked: readonly string[];
  /** Connections that are open now. */
  readonly openConnections: () => number;
}

/** `origins`: ports of 127.0.0.1 by the `host:port` that a guest asks for. */
export async function openWasmDoor(socketPath: string, origins: Readonly<Record<string, number>>): Promise<WasmDoor> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  });
  server.on("request", (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const url = new URL(request.url ?? "");
    const refusal = refusalOf(request, `${url.hostname}:${url.port || 80}`, origins);
    if (refusal !== undefined) return refuse(response, refusal);
    forward(request, response, origins[`${url.hostname}:${url.port || 80}`] ?? 0);
  });
  server.on("connect", (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    const refusal = refusalOf(request, request.url ?? "", origins);
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal.status} No\r\n${linesOf(headersOf(refusal))}\r\n${refusal.text}`);
    const origin = connect(origins[request.url ?? ""] ?? 0, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      origin.pipe(socket).pipe(origin);
    });
    socket.on("close", () => origin.destroy());
    origin.on("error", () => socket.destroy()).on("close", () => socket.destroy());
  });
  server.listen(socketPath);
  await once(server, "listening");
  return {
    door: { mode: "http", env: {}, socketPath, credential: CREDENTIAL, deniedNetworks: [] },
    asked,
    openConnections: () => sockets.size,
    [Symbol.asyncDispose]: async () => await closeServer(server),
  };
}

/** Listens on a free port of 127.0.0.1. */
export async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly text: string;
}

function refusalOf({ headers }: IncomingMessage, target: string, origins: Readonly<Record<string, number>>): Refusal | undefined {
  if (headers["proxy-authorization"] !== `Basic ${Buffer.from(CREDENTIAL).toString("base64")}`)
    return { status: 407, reason: "EGRESS_CREDENTIAL_INVALID", text: "skrei: The secret is wrong." };
  if (target.startsWith("slow.example"))
    return { status: 504, reason: "EGRESS_ORIGIN_TIMEOUT", text: `skrei: ${target} did not answer in time.` };
  if (origins[target] !== undefined) return undefined;
  return { status: 403, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", text: `skrei: ${target} is not on the job's list.\nAdd it with --domain.` };
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  response.writeHead(refusal.status, headersOf(refusal)).end(refusal.text);
}

function headersOf({ reason, text }: Refusal): Readonly<Record<string, string>> {
  return {
    "X-Skrei-Reason": reason,
    "Proxy-Status": "skrei; error=http_request_denied",
    "Content-Length": String(Buffer.byteLength(text)),
  };
}

function linesOf(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
}

function forward(request: IncomingMessage, response: ServerResponse, port: number): void {
  const { pathname, search } = new URL(request.url ?? "");
  const { "proxy-authorization": _secret, ...headers } = request.headers;
  const outgoing = httpRequest({
    host: "127.0.0.1",
    port,
    method: request.method,
    path: pathname + search,
    headers,
    agent: false,
    maxHeaderSize: 1_048_576,
  });
  outgoing.on("error", () => response.destroy());
  outgoing.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  response.on("close", () => outgoing.destroy());
  request.pipe(outgoing);
}

const CREDENTIAL = "e-test:secret";
