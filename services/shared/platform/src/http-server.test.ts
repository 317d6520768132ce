import { execFile } from "node:child_process";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createClient as createConnectClient } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "@skrei/proto/grpc/health/v1/health_pb.ts";
import { afterEach, describe, expect, test } from "vitest";
import { createClient } from "./client.ts";
import { healthRoutes } from "./health.ts";
import { type HttpServer, type HttpServerOptions, startHttpServer } from "./http-server.ts";
import { createHttpTransport } from "./http-transport.ts";
import { silentLogger } from "./logger.ts";
import { reflectionRoutes } from "./reflection.ts";

let server: HttpServer;
let isReady = true;
afterEach(() => server.close());

describe("HTTP server", () => {
  test("answers plain JSON, Connect over 1.1 and 2, gRPC and gRPC-Web on one port", async () => {
    await start();
    const json = await fetch(`${server.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await json.json()).toEqual({ status: "SERVING" });
    const transports = [
      createHttpTransport({ url: server.url }),
      createHttpTransport({ url: server.url, httpVersion: "2", isCompressed: true }),
      createGrpcTransport({ baseUrl: server.url }),
      createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1" }),
    ];
    for (const transport of transports)
      expect(await createConnectClient(Health, transport).check({})).toMatchObject({ status: ServingStatus.SERVING });
  });

  test.each(["connect", "grpc", "grpcweb"])("is called by buf curl through reflection over %s", async (protocol) => {
    await start();
    const buf = (...args: string[]) => promisify(execFile)("buf", ["curl", ...args], { timeout: 20_000 });
    const http2 = protocol === "grpc" ? ["--http2-prior-knowledge"] : [];
    const called = await buf(
      "--protocol",
      protocol,
      ...http2,
      "--reflect-protocol",
      "grpc-v1",
      "--http2-prior-knowledge",
      `${server.url}/grpc.health.v1.Health/Check`,
    );
    expect(JSON.parse(called.stdout)).toEqual({ status: "SERVING" });
    const listed = await buf("--list-methods", "--reflect-protocol", "grpc-v1alpha", "--http2-prior-knowledge", server.url);
    expect(listed.stdout).toContain("grpc.health.v1.Health/Watch");
  });

  test("watches health", async () => {
    await start();
    isReady = true;
    const seen: ServingStatus[] = [];
    for await (const { status } of createClient(Health, createHttpTransport({ url: server.url })).watch({})) {
      seen.push(status);
      if (seen.length === 3) break;
      isReady = !isReady;
    }
    expect(seen).toEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING, ServingStatus.SERVING]);
    const client = createClient(Health, createHttpTransport({ url: server.url }));
    await expect(client.check({ service: "no.such.Service" })).rejects.toMatchObject({ kind: "notFound" });
    expect((await client.watch({ service: "no.such.Service" })[Symbol.asyncIterator]().next()).value).toMatchObject({
      status: ServingStatus.SERVICE_UNKNOWN,
    });
  });

  test("hands everything else to the fallback", async () => {
    await start({ fallback: (request, response) => response.end(`fallback ${request.url}`) });
    expect(await (await fetch(`${server.url}/ipfs/x`)).text()).toBe("fallback /ipfs/x");
  });

  test("says that a method of its services does not exist, in the caller's protocol, instead of handing it to the fallback", async () => {
    await start({ fallback: (_, response) => response.end("fallback") });
    const call = (type: string): Promise<Response> =>
      fetch(`${server.url}/grpc.health.v1.Health/Foo`, { method: "POST", headers: { "content-type": type }, body: "{}" });
    const json = await call("application/json");
    expect(json.status).toBe(501);
    expect(await json.json()).toMatchObject({
      code: "unimplemented",
      message: "grpc.health.v1.Health has no method Foo",
      details: [{ type: "google.rpc.ErrorInfo" }],
    });
    expect((await call("application/grpc-web+proto")).headers.get("grpc-status")).toBe("12");
    expect(await (await fetch(`${server.url}/no.such.Service/Foo`, { method: "POST" })).text()).toBe("fallback");
  });

  test("names the port that is in use and how to find out by whom", async () => {
    await start();
    const second = startHttpServer({ host: "127.0.0.1", port: server.port, routes: () => undefined, logger: silentLogger });
    await expect(second).rejects.toMatchObject({
      kind: "precondition",
      reason: "PORT_IN_USE",
      metadata: { port: String(server.port), hint: expect.stringContaining("ss -ltnp") },
    });
  });

  test.each([
    ["a rebound name", { host: "evil.example" }, 403],
    ["no name that we know", { host: "127.0.0.1.evil.example:1234" }, 403],
    ["a page of another site", { origin: "https://evil.example" }, 403],
    ["an opaque origin", { origin: "null" }, 403],
    ["localhost", { host: "localhost:80" }, 200],
    ["a page of this host", { origin: "http://localhost:3000" }, 200],
    ["a name on the list", { host: "skrei.internal" }, 200],
  ])("bound to loopback, answers %s as it should", async (_, headers, status) => {
    await start({ allowedHosts: ["skrei.internal"] });
    const host = "host" in headers ? headers.host : "127.0.0.1";
    const origin = "origin" in headers ? `Origin: ${headers.origin}\r\n` : "";
    const answer = await raw(`GET /x HTTP/1.1\r\nHost: ${host}\r\n${origin}Connection: close\r\n\r\n`);
    expect(answer).toContain(status === 200 ? "HTTP/1.1 404" : "HTTP/1.1 403");
  });

  test("does not run a call of a form or a plain-text page", async () => {
    await start();
    const answer = await fetch(`${server.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "{}",
    });
    expect(answer.status).toBe(415);
  });

  test("names a field of JSON that it does not know, instead of doing something else than was meant", async () => {
    await start();
    const answer = await fetch(`${server.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"serivce": "scheduler"}`,
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "invalid_argument", message: expect.stringContaining('"serivce"') });
  });

  test.each([
    ["nothing", ""],
    ["half a preface", "PR"],
    ["headers without an end", "GET / HTTP/1.1\r\nHost: localhost\r\nX: "],
  ])("cuts a connection that sends %s", async (_, bytes) => {
    await start({ headersTimeoutMs: 300 });
    await raw(bytes, true);
  });

  test("refuses messages over its limit", async () => {
    await start({ readBytesMax: 1_000 });
    const client = createClient(Health, createHttpTransport({ url: server.url }));
    await expect(client.check({ service: "x".repeat(2_000) })).rejects.toMatchObject({ kind: "exhausted", reason: "MESSAGE_TOO_LARGE" });
  });

  test("refuses a small message that grows over its limit when unpacked", async () => {
    await start({ readBytesMax: 10_000 });
    const bomb = gzipSync(JSON.stringify({ service: "x".repeat(10_000_000) }));
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const answer = await fetch(`${server.url}/grpc.health.v1.Health/Check`, { method: "POST", headers, body: bomb });
    expect(await answer.json()).toMatchObject({ code: "resource_exhausted" });
  });

  test("asks the gate before anything else, and carries its refusal", async () => {
    await start({
      gate: ({ requestHeader }) => {
        if (requestHeader.get("authorization") !== "Bearer right")
          throw new DomainError("unauthenticated", "TOKEN_INVALID", "the token is wrong");
      },
    });
    const client = createClient(Health, createHttpTransport({ url: server.url }));
    await expect(client.check({})).rejects.toMatchObject({ kind: "unauthenticated", reason: "TOKEN_INVALID" });
    await expect(client.watch({})[Symbol.asyncIterator]().next()).rejects.toMatchObject({ kind: "unauthenticated" });
    await client.check({}, { headers: { authorization: "Bearer right" } });
  });

  test("refuses huge headers", async () => {
    await start();
    expect(await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(64 * 1024)}\r\n\r\n`)).toContain("431");
  });

  test("closes with open streams, idle connections and half-open ones, and lets the port go", async () => {
    await start();
    const { port } = server;
    const watches = (["1.1", "2"] as const).map(async (httpVersion) => {
      const stream = createClient(Health, createHttpTransport({ url: server.url, httpVersion }))
        .watch({})
        [Symbol.asyncIterator]();
      await stream.next();
      return stream.next();
    });
    const ends = Promise.all(watches.map((watch) => expect(watch).rejects.toMatchObject({ kind: "unavailable", reason: "SHUTTING_DOWN" })));
    const silent = await open();
    await fetch(`${server.url}/x`);
    await Promise.resolve();
    await server.close();
    await ends;
    silent.destroy();
    await start({ port });
  });

  test("says that nobody listens when the server is gone", async () => {
    await start();
    const client = createClient(Health, createHttpTransport({ url: server.url }));
    await server.close();
    await expect(client.check({})).rejects.toMatchObject({ kind: "unavailable", reason: "UNREACHABLE" });
  });
});

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
  const routes: HttpServerOptions["routes"] = (router) => {
    healthRoutes(router, () => isReady);
    reflectionRoutes(router, [Health]);
  };
  server = await startHttpServer({ host: "127.0.0.1", port: 0, routes, logger: silentLogger, ...options });
}

async function open(): Promise<Socket> {
  const socket = createConnection({ host: "127.0.0.1", port: server.port });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** What the server answers to these bytes until it closes the connection. */
async function raw(bytes: string, staysOpen = false): Promise<string> {
  const socket = await open();
  let answer = "";
  socket.on("data", (data: Buffer) => (answer += data.toString()));
  if (staysOpen) socket.write(bytes);
  else socket.end(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}
