import { once } from "node:events";
import { createServer as createHttp1Server, type IncomingMessage, type Server as Http1Server, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import { compressionGzip, connectNodeAdapter } from "@connectrpc/connect-node";
import { DomainError } from "@skrei/domain";
import { toConnectError } from "./connect-errors.ts";
import { serverErrors } from "./error-interceptor.ts";
import { isAllowedCaller, loopbackHosts } from "./host-check.ts";
import { isHttp2Preface } from "./http-sniff.ts";
import type { Logger } from "./logger.ts";
import { refuseUnknownMethod } from "./unknown-method.ts";

export interface HttpServerOptions {
  /** Address to bind, such as 127.0.0.1 or 0.0.0.0. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly routes: (router: ConnectRouter) => void;
  /** Everything that is no RPC: downloads, gateways. Default: 404. May be given Http2 request and response objects too. */
  readonly fallback?: (request: IncomingMessage, response: ServerResponse) => void;
  readonly interceptors?: readonly Interceptor[];
  /** Runs before a call's body is read: the place to refuse callers cheaply. Throws DomainErrors. */
  readonly gate?: (context: HandlerContext) => void | Promise<void>;
  readonly logger: Logger;
  /**
   * Names that the Host and Origin headers may carry, beside localhost and the bound address. Checked when bound to
   * loopback (always) or when this is given: a web page must not reach a local API by DNS rebinding.
   */
  readonly allowedHosts?: readonly string[];
  /** Largest message. Default 4 MiB. */
  readonly readBytesMax?: number;
  /** Time for a whole HTTP/1.1 request including its body. Default 5 minutes. */
  readonly requestTimeoutMs?: number;
  /** Time for the headers of a request, and for the first bytes of a connection. Default 10 s. */
  readonly headersTimeoutMs?: number;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, with a host that can be dialled. */
  readonly url: string;
  /** Stops accepting, ends open calls with unavailable/SHUTTING_DOWN, waits up to 5 s, then cuts what is left. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connect, gRPC, gRPC-Web and fallback routes over HTTP/1.1 and prior-knowledge HTTP/2 on one plain-text port.
 * @throws DomainError precondition/PORT_IN_USE.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const shutdown = new AbortController();
  const handler = createHandler(options, shutdown.signal);
  const http1 = openHttp1(options, handler);
  const { http2, sessions } = openHttp2(handler);
  const { tcp, sockets, sniffed } = openSniffer(options, (socket, isHttp2) => (isHttp2 ? http2 : http1).emit("connection", socket));
  await listen(tcp, options);
  const address = tcp.address();
  if (address === null || typeof address === "string") throw new Error("the server did not bind a TCP port");

  const close = async (): Promise<void> => {
    const isClosed = once(tcp, "close");
    tcp.close();
    shutdown.abort(toConnectError(new DomainError("unavailable", "SHUTTING_DOWN", "the service is stopping")));
    for (const session of sessions) session.close();
    for (const socket of sniffed) socket.destroy();
    // A connection is idle once its last answer is out.
    const sweep = setInterval(() => http1.closeIdleConnections(), 20);
    const cut = setTimeout(() => sockets.forEach((socket) => socket.destroy()), DRAIN_TIMEOUT_MS);
    http1.closeIdleConnections();
    await isClosed;
    clearInterval(sweep);
    clearTimeout(cut);
    http1.close();
    http2.close();
  };
  let closing: Promise<void> | undefined;
  return {
    host: address.address,
    port: address.port,
    url: `http://${dialable(address.address)}:${address.port}`,
    close: () => (closing ??= close()),
  };
}

function openHttp1({ headersTimeoutMs, requestTimeoutMs }: HttpServerOptions, handler: Handler): Http1Server {
  const http1 = createHttp1Server(
    {
      headersTimeout: headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    handler,
  );
  // Node starts its check for slow headers and bodies on this event, and this server gets its sockets from the sniffer.
  http1.emit("listening");
  return http1;
}

function openHttp2(handler: Handler): { http2: Http2Server; sessions: ReadonlySet<ServerHttp2Session> } {
  const sessions = new Set<ServerHttp2Session>();
  const http2 = createHttp2Server(
    { settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX } },
    handler as never,
  );
  http2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.setTimeout(IDLE_TIMEOUT_MS, () => session.close());
    // A broken peer is the peer's business; without a listener it would end the process.
    session.on("error", () => session.destroy());
  });
  return { http2, sessions };
}

function openSniffer(
  { headersTimeoutMs }: HttpServerOptions,
  onSocket: (socket: Socket, isHttp2: boolean) => void,
): { tcp: Server; sockets: ReadonlySet<Socket>; sniffed: ReadonlySet<Socket> } {
  const sockets = new Set<Socket>();
  const sniffed = new Set<Socket>();
  const tcp = createTcpServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    sniffed.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    isHttp2Preface(socket, headersTimeoutMs ?? HEADERS_TIMEOUT_MS)
      .then((isHttp2) => onSocket(socket, isHttp2))
      .catch(() => socket.destroy())
      .finally(() => sniffed.delete(socket));
  });
  tcp.maxConnections = CONNECTIONS_MAX;
  return { tcp, sockets, sniffed };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

function createHandler(options: HttpServerOptions, shutdownSignal: AbortSignal): Handler {
  const { routes, fallback = notFound, interceptors = [], gate, logger, readBytesMax = READ_BYTES_MAX } = options;
  const services = new Set<string>();
  const adapter = connectNodeAdapter({
    routes: (router) => {
      routes(router);
      for (const { service } of router.handlers) services.add(service.typeName);
    },
    fallback: ((request: IncomingMessage, response: ServerResponse) => {
      if (!refuseUnknownMethod(services, request, response)) fallback(request, response);
    }) as never,
    interceptors: [serverErrors(logger), ...interceptors],
    acceptCompression: [compressionGzip],
    // A misspelt field would be left out in silence, and something else done than was meant. Binary messages may be newer.
    jsonOptions: { ignoreUnknownFields: false },
    readMaxBytes: readBytesMax,
    maxTimeoutMs: CALL_TIMEOUT_MS_MAX,
    shutdownSignal,
    ...(gate !== undefined && { requestGate: convertGate(gate) }),
  });
  const allowed = loopbackHosts(options.host, options.allowedHosts);
  return (request, response) => {
    if (allowed !== undefined && !isAllowedCaller(request.headers, allowed)) forbid(request, response);
    else adapter(request, response);
  };
}

type Gate = NonNullable<HttpServerOptions["gate"]>;

function convertGate(gate: Gate): Gate {
  return async (context) => {
    try {
      await gate(context);
    } catch (error) {
      throw toConnectError(error);
    }
  };
}

function forbid(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(403, { "content-type": "application/json" });
  response.end(JSON.stringify({ code: "permission_denied", message: "this Host or Origin is not allowed here; see allowedHosts" }));
  request.resume();
}

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, { "content-type": "text/plain" });
  response.end("not found\n");
}

async function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EADDRINUSE") throw error;
    throw new DomainError("precondition", "PORT_IN_USE", `another process listens on ${host}:${port}`, {
      cause: error,
      metadata: { host, port: String(port) },
      hint: `stop it, or choose another port; this shows it: ss -ltnp 'sport = :${port}'`,
    });
  }
}

function dialable(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** Far above what a cluster's clients need; below the usual limit of open files. */
const CONNECTIONS_MAX = 8_192;
/** Of one HTTP/2 connection. */
const STREAMS_MAX = 1_000;
const READ_BYTES_MAX = 4 * 1024 * 1024;
const HEADER_BYTES_MAX = 32 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 300_000;
const IDLE_TIMEOUT_MS = 120_000;
const CHECK_INTERVAL_MS = 1_000;
const CALL_TIMEOUT_MS_MAX = 24 * 3_600_000;
const DRAIN_TIMEOUT_MS = 5_000;
