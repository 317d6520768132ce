import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import { closeServer, listening } from "./wasm-door.ts";

/** What guests of the tests ask for, over http and https. */
export interface WasmOrigin extends AsyncDisposable {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** PEM, signed by itself, of `names`. */
  readonly certificate: string;
  /** Headers of each request, as they came, in order. */
  readonly seen: readonly Readonly<Record<string, string | undefined>>[];
}

export async function startWasmOrigin(folder: string, names: readonly string[]): Promise<WasmOrigin> {
  const seen: Record<string, string | undefined>[] = [];
  const listener: RequestListener = (request, response) => {
    const url = new URL(request.url ?? "/", "http://origin");
    seen.push({ method: request.method, path: url.pathname, ...(request.headers as Record<string, string>) });
    response.on("error", () => undefined);
    respond(request, response, url);
  };
  const key = await makeCertificate(folder, names);
  const [http, https] = [createServer(listener), createTlsServer(key, listener)];
  https.on("tlsClientError", () => undefined);
  const [httpPort, httpsPort] = await Promise.all([listening(http), listening(https)]);
  return {
    httpPort,
    httpsPort,
    certificate: key.cert,
    seen,
    [Symbol.asyncDispose]: async () => void (await Promise.all([closeServer(http), closeServer(https)])),
  };
}

function respond(request: IncomingMessage, response: ServerResponse, url: URL): void {
  switch (url.pathname) {
    case "/hello":
      return void response.setHeader("X-Origin", "yes").end("hello");
    case "/echo":
      return void request.pipe(response);
    case "/to":
      return void response.writeHead(Number(url.searchParams.get("status") ?? 302), { location: url.searchParams.get("url") ?? "" }).end();
    case "/round":
      return void response.writeHead(302, { location: "/round" }).end();
    case "/never":
      return;
    case "/stalls":
      return void response.writeHead(200, { "content-length": "1000" }).write("begun");
    case "/breaks":
      response.writeHead(200, { "content-length": "1000" }).write("begun", () => request.socket.destroy());
      return;
    case "/endless":
      return sendForEver(response);
    case "/many-headers":
      for (let i = 0; i < 200; i++) response.setHeader(`x-${i}`, "v".repeat(1_000));
      return void response.end();
    case "/early":
      return void response.writeHead(413).end("too much");
    default:
      return void response.writeHead(404).end("no such page");
  }
}

function sendForEver(response: ServerResponse): void {
  const chunk = Buffer.alloc(65_536, "x");
  const push = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", push);
  push();
}

async function makeCertificate(folder: string, names: readonly string[]): Promise<{ readonly key: string; readonly cert: string }> {
  const [key, cert] = [join(folder, "origin.key"), join(folder, "origin.crt")];
  const subject = ["-subj", "/CN=origin", "-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await promisify(execFile)("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", cert]);
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}
