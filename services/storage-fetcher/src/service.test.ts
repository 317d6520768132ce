import { hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport, type ConnectRouter, type Transport } from "@connectrpc/connect";
import { createLink, createNode, encode } from "@ipld/dag-pb";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { dagPbCid, rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, buildSymlink } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { UnixFS } from "ipfs-unixfs";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../test/kit/eventually.ts";
import { StorageFetcherConfig } from "./config.ts";
import { createStorageFetcherService, type StorageFetcherService } from "./service.ts";

const MIB = 1_048_576;
const body = randomBytes(3 * MIB + 5);
const sha256 = hash("sha256", body);
type Handler = (request: IncomingMessage, response: ServerResponse, call: number) => void;
const routes = new Map<string, Handler>();
const calls = new Map<string, number>();
const blocks = new Map<string, Uint8Array>();
let folder: string;
let origin: Server;
let base: string;
let fetcher: StorageFetcherService;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-fetcher-"));
  routes.clear();
  calls.clear();
  blocks.clear();
  origin = createServer((request, response) => {
    const call = (calls.get(request.url ?? "") ?? 0) + 1;
    calls.set(request.url ?? "", call);
    const handler = routes.get(request.url ?? "");
    if (handler === undefined) response.writeHead(404).end();
    else handler(request, response, call);
  }).listen(0, "127.0.0.1");
  await once(origin, "listening");
  base = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  fetcher = await start();
});

afterEach(async () => {
  await fetcher.stop("test over");
  origin.closeAllConnections();
  origin.close();
  rmSync(folder, { recursive: true, force: true });
});

test("fetches a file once, verified and read-only, for all who ask", async () => {
  serve("/file", (_, response) => response.writeHead(200, { "content-length": body.length }).end(body));
  const inputs = await Promise.all(["e-1", "e-2", "e-3"].map(async (leaseId) => await fetchHttp("/file", { leaseId, sha256 })));
  expect(new Set(inputs.map(({ path }) => path)).size).toBe(1);
  expect(inputs[0]).toMatchObject({ digest: `sha256:${sha256}`, sizeBytes: BigInt(body.length), wasCached: false });
  expect(readFileSync(inputs[0]?.path ?? "").equals(body)).toBe(true);
  expect(lstatSync(inputs[0]?.path ?? "").mode & 0o777).toBe(0o444);
  expect(await fetchHttp("/file", { leaseId: "e-4", sha256 })).toMatchObject({ wasCached: true });
  expect(calls.get("/file")).toBe(1);
  expect(await client().getCacheState({})).toMatchObject({
    entries: 1,
    pinnedEntries: 1,
    sizeBytes: BigInt(body.length),
    hits: 1n,
    misses: 3n,
  });
});

test("asks an origin whether a file without a digest has changed", async () => {
  serve("/file", (request, response) => {
    if (request.headers["if-none-match"] === '"v1"') response.writeHead(304).end();
    else response.writeHead(200, { etag: '"v1"' }).end("one");
  });
  const first = await fetchHttp("/file");
  expect(await fetchHttp("/file")).toMatchObject({ path: first.path, wasCached: true });
  serve("/file", (_, response) => response.writeHead(200, { etag: '"v2"' }).end("two"));
  const changed = await fetchHttp("/file");
  expect(readFileSync(changed.path, "utf8")).toBe("two");
  expect(readFileSync(first.path, "utf8")).toBe("one");
});

test("resumes where a connection was cut when the origin proves that the file is the same", async () => {
  const ranges: (string | undefined)[] = [];
  serve("/cut", (request, response, call) => {
    ranges.push(request.headers.range);
    const start = Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? "")?.[1] ?? 0);
    const headers = {
      etag: '"same"',
      "content-length": body.length - start,
      ...(start > 0 && { "content-range": `bytes ${start}-${body.length - 1}/${body.length}` }),
    };
    response.writeHead(start > 0 ? 206 : 200, headers);
    if (call > 2) response.end(body.subarray(start));
    else response.write(body.subarray(start, start + 1.2 * MIB), () => response.destroy());
  });
  expect(readFileSync((await fetchHttp("/cut", { sha256 })).path).equals(body)).toBe(true);
  expect(ranges[0]).toBeUndefined();
  expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/u.test(range ?? ""))).toBe(true);
});

test("starts over when the file changed between two tries", async () => {
  serve("/swap", (_, response, call) => {
    response.writeHead(200, { etag: `"v${call}"`, "content-length": body.length });
    if (call > 1) response.end(body);
    else response.write(randomBytes(2 * MIB), () => response.destroy());
  });
  expect(readFileSync((await fetchHttp("/swap", { sha256 })).path).equals(body)).toBe(true);
});

test("tries again after 503", async () => {
  serve("/busy", (_, response, call) => (call < 3 ? response.writeHead(503).end() : response.end("at last")));
  expect(readFileSync((await fetchHttp("/busy")).path, "utf8")).toBe("at last");
});

const misbehaviours: readonly [string, string, Handler | string, object?][] = [
  ["a file that is not there", "SOURCE_UNREACHABLE", (_, response) => response.writeHead(404).end()],
  ["an origin that always fails", "SOURCE_UNREACHABLE", (_, response) => response.writeHead(500).end()],
  ["another digest than declared", "SOURCE_DIGEST_MISMATCH", (_, response) => response.end("other"), { sha256 }],
  ["a length over the ceiling", "SOURCE_TOO_LARGE", (_, response) => response.writeHead(200, { "content-length": 20 * MIB }).write("x")],
  ["an endless body without a length", "SOURCE_TOO_LARGE", endless],
  ["a body shorter than its length", "SOURCE_SIZE_MISMATCH", (_, response) => rawAnswer(response, "content-length: 100\r\n", "short")],
  ["a body longer than its length", "SOURCE_SIZE_MISMATCH", (_, response) => rawAnswer(response, "content-length: 3\r\n", "much longer")],
  ["a slow drip", "SOURCE_UNREACHABLE", drip],
  ["an origin that never answers", "SOURCE_UNREACHABLE", () => undefined],
  ["a compressed body", "SOURCE_UNREACHABLE", (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("zz")],
  ["a redirect loop", "SOURCE_NOT_ALLOWED", (request, response) => response.writeHead(302, { location: request.url }).end()],
  ["a redirect to the metadata address", "SOURCE_NOT_ALLOWED", redirect("http://169.254.169.254/latest/meta-data/")],
  ["a redirect to a mapped private address", "SOURCE_NOT_ALLOWED", redirect("http://[::ffff:10.0.0.1]/")],
  ["a redirect to a file", "SOURCE_NOT_ALLOWED", redirect("file:///etc/passwd")],
];

test.each(misbehaviours)("refuses %s with %s and keeps nothing", async (_, reason, handler, options = {}) => {
  serve("/bad", handler as Handler);
  await expect(fetchHttp("/bad", options)).rejects.toMatchObject({ reason });
  expect(readdirSync(join(folder, "cache", "entries"))).toEqual([]);
  await eventually(
    () => readdirSync(join(folder, "cache", "scratch")),
    (names) => names.length === 0,
    { withinMs: 2_000 },
  );
});

test("says in words why nothing came", async () => {
  origin.closeAllConnections();
  origin.close();
  await once(origin, "close");
  await expect(fetchHttp("/gone")).rejects.toMatchObject({
    kind: "unavailable",
    message: `${base}/gone could not be fetched in 3 tries: the connection was refused (ECONNREFUSED).`,
  });
});

test("a file that is not there is the job's mistake, not the connection's", async () => {
  await expect(fetchHttp("/not-there")).rejects.toMatchObject({ kind: "notFound", message: `${base}/not-there answered 404.` });
});

test.each([
  "http://127.1:1/",
  "http://2130706433/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://localhost:9/",
  "http://[::1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://10.1.2.3/",
  "http://user:pw@example.org/",
  "ftp://example.org/",
  "file:///etc/passwd",
])("refuses %s on a node that allows no private network", async (url) => {
  const strict = createStorageFetcherService(StorageFetcherConfig.parse({ dataFolder: join(folder, "strict") }), { logger: silentLogger });
  onTestFinished(async () => await strict.stop("test over"));
  await strict.start();
  const input = { target: "/inputs", source: { case: "http" as const, value: { url, sha256: "" } } };
  await expect(ready(strict, { leaseId: "e-1", input, bytesMax: 1_000n })).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await expect(client(strict).estimateInputs({ inputs: [input] })).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
});

test("exports a tree of the content store as files, and a second job shares it", async () => {
  const big = randomBytes(2 * MIB + 9);
  const link = buildSymlink("../elsewhere", keepBlock);
  const sub = buildFolderDag(
    [
      { name: "big", ...leavesOf(big) },
      { name: "link", ...link },
    ],
    keepBlock,
  );
  const root = buildFolderDag(
    [
      { name: "sub", ...sub },
      { name: "small", ...leavesOf(Buffer.from("small")) },
      { name: "none", ...buildFolderDag([], keepBlock) },
    ],
    keepBlock,
  );
  const { path, sizeBytes } = await fetchContent(root.cid.toString());
  expect(readFileSync(join(path, "sub", "big")).equals(big)).toBe(true);
  expect(readFileSync(join(path, "small"), "utf8")).toBe("small");
  expect(lstatSync(join(path, "sub", "link")).isSymbolicLink()).toBe(true);
  expect(readdirSync(join(path, "none"))).toEqual([]);
  expect(lstatSync(path).mode & 0o777).toBe(0o555);
  expect(sizeBytes).toBe(BigInt(big.length + 5));
  expect(await fetchContent(root.cid.toString())).toMatchObject({ path, wasCached: true });
  expect(
    await client().estimateInputs({ inputs: [{ target: "/i", source: { case: "content", value: { cid: root.cid.toString() } } }] }),
  ).toMatchObject({ missingBytes: 0n });
});

test.each(["..", ".", "", "a/b", "a\0b", "../../escape"])("refuses content with an entry named %j", async (name) => {
  const leaf = leavesOf(Buffer.from("x"));
  const block = encode(createNode(new UnixFS({ type: "directory" }).marshal(), [createLink(name, leaf.dagBytes, leaf.cid)]));
  keepBlock(dagPbCid(block), block);
  await expect(fetchContent(dagPbCid(block).toString())).rejects.toMatchObject({ kind: "corrupt" });
  expect(readdirSync(folder).toSorted()).toEqual(["cache"]);
});

test("never writes through a link that has the name of a folder", async () => {
  const outside = join(folder, "outside");
  mkdirSync(outside);
  const link = buildSymlink(outside, keepBlock);
  const inner = buildFolderDag([{ name: "planted", ...leavesOf(Buffer.from("x")) }], keepBlock);
  const block = encode(
    createNode(new UnixFS({ type: "directory" }).marshal(), [
      createLink("a", link.dagBytes, link.cid),
      createLink("a", inner.dagBytes, inner.cid),
    ]),
  );
  keepBlock(dagPbCid(block), block);
  await expect(fetchContent(dagPbCid(block).toString())).rejects.toMatchObject({ reason: "SOURCE_DIGEST_MISMATCH" });
  expect(readdirSync(outside)).toEqual([]);
});

test("says when the content store sends wrong bytes, lacks a block, or the content is too large", async () => {
  const damaged = leavesOf(randomBytes(100));
  blocks.set(damaged.cid.toString(), randomBytes(100));
  await expect(fetchContent(damaged.cid.toString())).rejects.toMatchObject({ reason: "SOURCE_DIGEST_MISMATCH" });
  await expect(fetchContent(rawCid(randomBytes(32)).toString())).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE" });
  await expect(fetchContent(leavesOf(randomBytes(11 * MIB)).cid.toString())).rejects.toMatchObject({ reason: "SOURCE_TOO_LARGE" });
});

test("serves local paths only below the operator's folders, links resolved", async () => {
  const allowed = join(folder, "allowed");
  const secret = join(folder, "secret");
  for (const path of [allowed, secret]) mkdirSync(path);
  writeFileSync(join(allowed, "data"), "12345");
  symlinkSync(secret, join(allowed, "way-out"));
  await fetcher.stop("restart");
  fetcher = await start({ allowedLocalPaths: [allowed] });
  expect(await fetchLocal(join(allowed, "data"))).toMatchObject({ path: join(allowed, "data"), sizeBytes: 5n, digest: "" });
  for (const path of [secret, join(allowed, "way-out"), join(allowed, "..", "secret"), `${allowed}-not`, "relative", "/"])
    await expect(fetchLocal(path)).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await expect(fetchLocal(join(allowed, "missing"))).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE" });
});

test("evicts what was not used for longest, never what is leased, and says when nothing is left to evict", async () => {
  await fetcher.stop("restart");
  fetcher = await start({ cacheBytesMax: 1_000 });
  const [first, second, third] = [400, 401, 402].map((size) => randomBytes(size));
  const one = await fetchInline(first, "e-1");
  await fetchInline(second, "e-2");
  await expect(fetchInline(third, "e-3")).rejects.toMatchObject({
    reason: "CACHE_FULL",
    metadata: { leasedBytes: "801", cacheBytesMax: "1000", missingBytes: "203" },
  });
  await client().releaseInputs({ leaseId: "e-2" });
  await client().releaseInputs({ leaseId: "e-unknown" });
  await fetchInline(third, "e-3");
  expect(await fetchInline(first, "e-4")).toMatchObject({ path: one.path, wasCached: true });
  expect(await client().getCacheState({})).toMatchObject({ entries: 2, sizeBytes: 802n, pinnedEntries: 2 });
});

test("fetches an entry again that was changed on the disk", async () => {
  const data = Buffer.from("original");
  const { path } = await fetchInline(data, "e-1");
  chmodSync(path, 0o644);
  writeFileSync(path, "poisoned");
  const again = await fetchInline(data, "e-2");
  expect(again.wasCached).toBe(false);
  expect(readFileSync(again.path, "utf8")).toBe("original");
});

test("keeps entries and leases over a restart", async () => {
  const { path } = await fetchInline(Buffer.from("kept"), "e-1");
  await fetcher.stop("restart");
  writeFileSync(join(folder, "cache", "entries", "orphan"), "half");
  fetcher = await start();
  expect(await client().getCacheState({})).toMatchObject({ entries: 1, pinnedEntries: 1 });
  expect(await fetchInline(Buffer.from("kept"), "e-1")).toMatchObject({ path, wasCached: true });
  expect(readdirSync(join(folder, "cache", "entries")).length).toBe(1);
});

test("goes on for the others when one who waits leaves, and stops when all have left", async () => {
  let isCut = false;
  serve("/slow", (request, response) => {
    request.once("close", () => (isCut = true));
    response.writeHead(200, { "content-length": body.length });
    response.write(body.subarray(0, MIB));
    routes.set("finish", () => response.end(body.subarray(MIB)));
  });
  const leaving = new AbortController();
  const left = fetchHttp("/slow", { sha256, signal: leaving.signal });
  const stayed = fetchHttp("/slow", { sha256 });
  await eventually(
    () => calls.get("/slow"),
    (count) => count === 1,
    { withinMs: 2_000 },
  );
  leaving.abort();
  await expect(left).rejects.toMatchObject({ kind: "cancelled" });
  (routes.get("finish") as () => void)();
  expect((await stayed).sizeBytes).toBe(BigInt(body.length));
  const last = new AbortController();
  isCut = false;
  const alone = fetchHttp("/slow", { signal: last.signal });
  await eventually(
    () => calls.get("/slow"),
    (count) => count === 2,
    { withinMs: 2_000 },
  );
  last.abort();
  await expect(alone).rejects.toMatchObject({ kind: "cancelled" });
  await eventually(() => isCut, Boolean, { withinMs: 2_000 });
});

async function start(more: Partial<StorageFetcherConfig> = {}): Promise<StorageFetcherService> {
  const settings = {
    dataFolder: folder,
    allowedPrivateCidrs: ["127.0.0.1/32"],
    triesMax: 3,
    answerTimeoutMs: 400,
    lowSpeedBytes: 1_000,
    lowSpeedWindowMs: 300,
    ...more,
  };
  const service = createStorageFetcherService(StorageFetcherConfig.parse(settings), {
    logger: silentLogger,
    publisher: inMemory(blockRoutes),
  });
  await service.start();
  return service;
}

function blockRoutes(router: ConnectRouter): void {
  router.service(BlockService, {
    getBlocks: async function* ({ cids }) {
      for (const cid of cids) {
        const data = blocks.get(cid);
        if (data === undefined) throw new (await import("@skrei/domain")).DomainError("notFound", "BLOCK_MISSING", `no ${cid}`);
        yield { block: { cid, data: data as Uint8Array<ArrayBuffer> } };
      }
    },
  });
}

function inMemory(serviceRoutes: (router: ConnectRouter) => void): Transport {
  return clientErrors(createRouterTransport(serviceRoutes, { router: { interceptors: [serverErrors(silentLogger)] } }));
}

function client(service = fetcher): ReturnType<typeof createClient<typeof FetchService>> {
  return createClient(FetchService, inMemory(service.routes));
}

async function ready(
  service: StorageFetcherService,
  request: Parameters<ReturnType<typeof client>["fetchInput"]>[0],
  signal?: AbortSignal,
): Promise<FetchInputResponse_Ready> {
  for await (const { event } of client(service).fetchInput(request, signal === undefined ? {} : { signal }))
    if (event.case === "ready") return event.value;
  throw new Error("the stream ended without a path");
}

async function fetchHttp(
  path: string,
  { leaseId = "e-1", sha256: declared = "", signal }: { leaseId?: string; sha256?: string; signal?: AbortSignal } = {},
): Promise<FetchInputResponse_Ready> {
  const source = { case: "http" as const, value: { url: base + path, sha256: declared } };
  return await ready(fetcher, { leaseId, input: { target: "/inputs", source }, bytesMax: BigInt(10 * MIB) }, signal);
}

async function fetchContent(cid: string): Promise<FetchInputResponse_Ready> {
  return await ready(fetcher, {
    leaseId: "e-1",
    input: { target: "/inputs", source: { case: "content", value: { cid } } },
    bytesMax: BigInt(10 * MIB),
  });
}

async function fetchLocal(path: string): Promise<FetchInputResponse_Ready> {
  return await ready(fetcher, { leaseId: "e-1", input: { target: "/inputs", source: { case: "local", value: { path } } }, bytesMax: 100n });
}

async function fetchInline(data: Buffer | undefined, leaseId: string): Promise<FetchInputResponse_Ready> {
  return await ready(fetcher, {
    leaseId,
    input: { target: "/inputs", source: { case: "inline", value: { data: new Uint8Array(data ?? []) } } },
    bytesMax: 10_000n,
  });
}

function serve(path: string, handler: Handler): void {
  routes.set(path, handler);
}

function redirect(location: string): Handler {
  return (_, response) => void response.writeHead(302, { location }).end();
}

function endless(_: IncomingMessage, response: ServerResponse): void {
  const piece = Buffer.alloc(64 * 1_024);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}

function drip(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "content-length": 1_000_000 });
  const timer = setInterval(() => response.write("x"), 50);
  response.once("close", () => clearInterval(timer));
}

function rawAnswer(response: ServerResponse, header: string, text: string): void {
  response.socket?.end(`HTTP/1.1 200 OK\r\n${header}connection: close\r\n\r\n${text}`);
}

function keepBlock(cid: { toString(): string }, block: Uint8Array): void {
  blocks.set(cid.toString(), block);
}

function leavesOf(data: Buffer): ReturnType<typeof buildFileDag> {
  const leaves = [];
  for (let at = 0; at === 0 || at < data.length; at += MIB) {
    const chunk = data.subarray(at, at + MIB);
    const cid = rawCid(hash("sha256", chunk, "buffer"));
    keepBlock(cid, chunk);
    leaves.push({ cid, sizeBytes: chunk.length, dagBytes: chunk.length });
  }
  return buildFileDag(leaves, keepBlock);
}
