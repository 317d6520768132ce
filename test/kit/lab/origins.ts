import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import type { OriginRequest } from "./protocol.ts";

export interface OriginsOptions {
  readonly key: string;
  readonly certificate: string;
  readonly filesFolder: string;
}

export interface Origins {
  /** A connection to port 80 or 443. */
  accept(socket: Socket): void;
  takeRequests(): OriginRequest[];
}

/**
 * Servers that answer any Host, plain and with TLS. `/redirect?to=URL` is a 302, `/bytes?count=N` N bytes, `/endless` a body that
 * never ends, `/files/…` a folder; a POST gives its body back; everything else says hello.
 */
export function createOrigins({ key, certificate, filesFolder }: OriginsOptions): Origins {
  const requests: OriginRequest[] = [];
  const handle =
    (scheme: "http" | "https") =>
    (request: IncomingMessage, response: ServerResponse): void => {
      const { method = "", url: path = "", rawHeaders, socket } = request;
      requests.push({ scheme, address: socket.localAddress ?? "", method, path, rawHeaders });
      answer(request, response, filesFolder).catch(() => response.destroy()); // The client has gone, or will notice.
    };
  const plain = createServer(handle("http"));
  const tls = createTlsServer({ key, cert: certificate }, handle("https"));
  tls.on("tlsClientError", () => undefined);
  return {
    accept: (socket) => void (socket.localPort === 443 ? tls : plain).emit("connection", socket),
    takeRequests: () => requests.splice(0),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, filesFolder: string): Promise<void> {
  const url = new URL(request.url ?? "/", "http://origin");
  const send = (status: number, headers: Record<string, string>, body: string | Buffer): void =>
    void response.writeHead(status, headers).end(body);
  switch (url.pathname) {
    case "/redirect":
      return send(302, { location: url.searchParams.get("to") ?? "/" }, "");
    case "/bytes":
      return send(200, {}, Buffer.alloc(Number(url.searchParams.get("count") ?? "0"), "x"));
    case "/endless":
      response.writeHead(200);
      return await pipeline(endless(), response);
    default:
      if (url.pathname.startsWith("/files/")) return await sendFile(join(filesFolder, normalize(url.pathname.slice(6))), response);
      if (request.method === "POST") return await pipeline(request, response);
      return send(200, { "content-type": "text/plain" }, `hello from ${request.headers.host ?? "nobody"}${url.pathname}\n`);
  }
}

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const found = await stat(path).catch(() => undefined); // Then it is a 404.
  if (found?.isFile() !== true) return void response.writeHead(404).end("no such file\n");
  response.writeHead(200, { "content-length": String(found.size) });
  await pipeline(createReadStream(path), response);
}

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.alloc(16_384, "x");
    await new Promise(setImmediate);
  }
}
