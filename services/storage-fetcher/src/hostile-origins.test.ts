import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createRouterTransport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../../test/kit/eventually.ts";
import { StorageFetcherConfig } from "./config.ts";
import { createStorageFetcherService, type StorageFetcherService } from "./service.ts";

/** What a server does with the head of one request; `call` counts from 1. Bytes on the wire, for no library sends such answers. */
type Answer = (socket: Socket, request: { readonly head: string; readonly call: number; readonly port: number }) => void;

const BYTES_MAX = 1_000_000n;
let folder: string;
let origin: Server;
let port: number;
let answer: Answer;
let heads: string[];
let fetcher: StorageFetcherService;
const sockets = new Set<Socket>();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-hostile-"));
  heads = [];
  origin = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const head = text;
      text = "";
      answer(socket, { head, call: heads.push(head), port });
    });
  }).listen(0, "127.0.0.1");
  await once(origin, "listening");
  ({ port } = origin.address() as AddressInfo);
  fetcher = createStorageFetcherService(
    StorageFetcherConfig.parse({
      dataFolder: folder,
      allowedPrivateCidrs: ["127.0.0.1/32"],
      freeBytesMin: 0,
      triesMax: 3,
      answerTimeoutMs: 400,
      lowSpeedBytes: 1_000,
      lowSpeedWindowMs: 300,
    }),
    { logger: silentLogger },
  );
  await fetcher.start();
});

afterEach(async () => {
  await fetcher.stop("test over");
  for (const socket of sockets) socket.destroy();
  origin.close();
  rmSync(folder, { recursive: true, force: true });
});

const text = (head: string, body: string | Buffer = ""): Buffer =>
  Buffer.concat([Buffer.from(`HTTP/1.1 ${head}\r\n\r\n`), Buffer.from(body)]);
const says =
  (head: string, body: string | Buffer = ""): Answer =>
  (socket) =>
    void socket.end(text(`${head}\r\nconnection: close`, body));
const bomb = gzipSync(Buffer.alloc(100_000_000));

const hostile: readonly (readonly [string, string, Answer, string?])[] = [
  ["a length that is not a number", "SOURCE_UNREACHABLE", says("200 OK\r\ncontent-length: many", "x")],
  ["a negative length", "SOURCE_UNREACHABLE", says("200 OK\r\ncontent-length: -1", "x")],
  ["two lengths that differ", "SOURCE_UNREACHABLE", says("200 OK\r\ncontent-length: 1\r\ncontent-length: 2", "xy")],
  [
    "a length and chunks at once",
    "SOURCE_UNREACHABLE",
    says("200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked", "1\r\nx\r\n0\r\n\r\n"),
  ],
  ["a length beyond all numbers", "SOURCE_TOO_LARGE", says("200 OK\r\ncontent-length: 9007199254740993", "x")],
  ["chunks that are none", "SOURCE_UNREACHABLE", says("200 OK\r\ntransfer-encoding: chunked", "zz\r\nrubbish")],
  ["a chunk that never ends", "SOURCE_UNREACHABLE", (socket) => void socket.write(text("200 OK\r\ntransfer-encoding: chunked", "5\r\nab"))],
  ["chunks cut before the last", "SOURCE_UNREACHABLE", says("200 OK\r\ntransfer-encoding: chunked", "2\r\nab\r\n")],
  [
    "a gzip bomb that it says is gzip",
    "SOURCE_UNREACHABLE",
    says(`200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}`, bomb),
  ],
  ["no content", "SOURCE_UNREACHABLE", says("204 No Content")],
  [
    "a part that nobody asked for",
    "SOURCE_UNREACHABLE",
    says("206 Partial Content\r\ncontent-range: bytes 0-1/100\r\ncontent-length: 2", "ab"),
  ],
  ["that nothing changed, though nobody asked", "SOURCE_UNREACHABLE", says("304 Not Modified")],
  ["another protocol", "SOURCE_UNREACHABLE", (socket) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n")],
  ["a reset", "SOURCE_UNREACHABLE", (socket) => void socket.resetAndDestroy()],
  ["a reset in mid-body", "SOURCE_SIZE_MISMATCH", resetInBody],
  ["a flood of headers", "SOURCE_UNREACHABLE", flood("HTTP/1.1 200 OK\r\n", "x-flood: 0123456789\r\n")],
  ["one endless header", "SOURCE_UNREACHABLE", flood("HTTP/1.1 200 OK\r\nx-flood: ", "0123456789")],
  ["a flood of interim answers", "SOURCE_UNREACHABLE", flood("", "HTTP/1.1 103 Early Hints\r\n\r\n")],
  ["headers that drip", "SOURCE_UNREACHABLE", drippingHeaders],
  ["a switch of protocols", "SOURCE_UNREACHABLE", says("101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade")],
  ["a sixth redirect", "SOURCE_NOT_ALLOWED", redirects(6)],
  ["a redirect without a place", "SOURCE_UNREACHABLE", says("302 Found")],
  ["a redirect with credentials", "SOURCE_NOT_ALLOWED", says("302 Found\r\nlocation: http://user:pw@example.org/")],
  ["a redirect to another scheme", "SOURCE_NOT_ALLOWED", says("302 Found\r\nlocation: gopher://127.0.0.1/")],
  ["a redirect to the metadata address in other words", "SOURCE_NOT_ALLOWED", says("302 Found\r\nlocation: http://0xa9fea9fe/latest/")],
  ["other bytes at each try under one ETag", "SOURCE_DIGEST_MISMATCH", otherBytesEachTry, "0".repeat(64)],
  ["a digest that is another's", "SOURCE_DIGEST_MISMATCH", says("200 OK\r\ncontent-length: 1", "x"), "0".repeat(64)],
];

test.each(hostile.map(([what, reason, handle, sha256 = ""]) => ({ what, reason, handle, sha256 })))(
  "an origin that sends $what is refused with $reason, and nothing is kept",
  async ({ reason, handle, sha256 }) => {
    answer = handle;
    await expect(fetch(sha256)).rejects.toMatchObject({ reason });
    await eventually(
      () => ["entries", "scratch", "partial"].flatMap((name) => readdirSync(join(folder, "cache", name))),
      (names) => names.length === 0,
      { withinMs: 2_000 },
    );
    expect(heads.length).toBeLessThanOrEqual(6);
  },
);

test.each<readonly [string, string, Answer]>([
  ["five redirects", "done", redirects(5)],
  ["an empty file", "", says("200 OK\r\ncontent-length: 0")],
  ["no length", "until the end", says("200 OK", "until the end")],
  ["all of it again to a request for the rest", "abcdef", wholeAgain],
  ["the rest of another version", "abcdef", restOfAnother],
  ["a part that begins elsewhere", "abcdef", partFromElsewhere],
  ["that a part is out of range", "abcdef", outOfRange],
])("an origin that sends %s is made the best of", async (_, content, handle) => {
  answer = handle;
  expect(readFileSync((await fetch("")).path, "utf8")).toBe(content);
});

async function fetch(sha256: string): Promise<FetchInputResponse_Ready> {
  const transport = clientErrors(createRouterTransport(fetcher.routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
  const source = { case: "http" as const, value: { url: `http://127.0.0.1:${port}/`, sha256 } };
  const request = { leaseId: "e-1", input: { target: "/in", source }, bytesMax: BYTES_MAX };
  for await (const { event } of createClient(FetchService, transport).fetchInput(request)) if (event.case === "ready") return event.value;
  throw new Error("the stream ended without a path");
}

function redirects(count: number): Answer {
  return (socket, request) =>
    says(request.call > count ? "200 OK\r\ncontent-length: 4" : "302 Found\r\nlocation: /", request.call > count ? "done" : "")(
      socket,
      request,
    );
}

function resetInBody(socket: Socket): void {
  socket.write(text("200 OK\r\ncontent-length: 100", "some"), () => setImmediate(() => socket.resetAndDestroy()));
}

function flood(start: string, piece: string): Answer {
  return (socket) => {
    socket.write(start);
    const many = piece.repeat(1_000);
    const more = (): void => {
      while (!socket.destroyed && socket.write(many));
      if (!socket.destroyed) socket.once("drain", more);
    };
    more();
  };
}

function drippingHeaders(socket: Socket): void {
  socket.write("HTTP/1.1 200 OK\r\n");
  const timer = setInterval(() => socket.write("x: y\r\n"), 50);
  socket.once("close", () => clearInterval(timer));
}

function otherBytesEachTry(socket: Socket, { call }: { readonly call: number }): void {
  const rest = call > 1;
  const head = rest ? "206 Partial Content\r\ncontent-range: bytes 3-5/6\r\ncontent-length: 3" : "200 OK\r\ncontent-length: 6";
  socket.end(text(`${head}\r\netag: "same"\r\nconnection: close`, rest ? "XYZ" : "abc"));
}

const FIRST_HALF = text('200 OK\r\ncontent-length: 6\r\netag: "v1"\r\nconnection: close', "abc");
const ALL = text('200 OK\r\ncontent-length: 6\r\netag: "v2"\r\nconnection: close', "abcdef");

function afterHalf(second: Buffer): Answer {
  return (socket, { call }) => {
    if (call === 1) socket.end(FIRST_HALF);
    else socket.end(call === 2 ? second : ALL);
  };
}

function wholeAgain(...call: Parameters<Answer>): void {
  afterHalf(ALL)(...call);
}

function restOfAnother(...call: Parameters<Answer>): void {
  afterHalf(text('206 Partial Content\r\ncontent-range: bytes 3-5/6\r\ncontent-length: 3\r\netag: "v2"\r\nconnection: close', "XYZ"))(
    ...call,
  );
}

function partFromElsewhere(...call: Parameters<Answer>): void {
  afterHalf(text('206 Partial Content\r\ncontent-range: bytes 0-2/6\r\ncontent-length: 3\r\netag: "v1"\r\nconnection: close', "abc"))(
    ...call,
  );
}

function outOfRange(...call: Parameters<Answer>): void {
  afterHalf(text("416 Range Not Satisfiable\r\ncontent-range: bytes */6\r\nconnection: close"))(...call);
}
