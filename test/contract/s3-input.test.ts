import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, request as httpRequest, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { InputPartition_By } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { createS3Client, type S3Client } from "@skrei/s3/client.ts";
import { StorageFetcherConfig } from "../../services/storage-fetcher/src/config.ts";
import { createStorageFetcherService, type StorageFetcherService } from "../../services/storage-fetcher/src/service.ts";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startContentStore } from "../kit/content-store.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";
import { type S3Server, startS3Server } from "../kit/s3-server.ts";

const MEBIBYTE = 1_048_576;
const signal = new AbortController().signal;
const servers = new AsyncDisposableStack();
const large = randomBytes(6 * MEBIBYTE + 17);
/** Before the server, so that connections can be cut and objects changed in the middle. */
let front: Server;
let frontUrl: string;
let onRequest: (request: IncomingMessage, response: ServerResponse, pass: (bytesMax?: number) => void) => void;
let server: S3Server;
let s3: S3Client;
let folder: string;
let fetcher: StorageFetcherService;

beforeAll(async () => {
  server = servers.use(await startS3Server());
  s3 = servers.use(createS3Client({ endpoint: server.endpoint, credentials: server.credentials }));
  for (const bucket of ["data", "versions", "public"]) await server.request("PUT", bucket);
  const versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
  await server.request("PUT", "versions", { versioning: "" }, versioning);
  const anybody = { Effect: "Allow", Principal: "*", Action: ["s3:GetObject", "s3:ListBucket"] };
  const statement = { ...anybody, Resource: ["arn:aws:s3:::public", "arn:aws:s3:::public/*"] };
  await server.request("PUT", "public", { policy: "" }, JSON.stringify({ Version: "2012-10-17", Statement: [statement] }));
  for (const key of ["logs/2024-01-a.txt", "logs/2024-01-b.txt", "logs/2024-02-a.txt", "logs/deep/x.csv", "other.txt"]) await put(key, key);
  await put("logs/deep/", "");
  await put("large", large);
  front = createServer((request, response) => onRequest(request, response, (bytesMax) => forward(request, response, bytesMax)));
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  servers.defer(() => {
    front.closeAllConnections();
    front.close();
  });
  frontUrl = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await servers.disposeAsync();
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-s3-input-"));
  onRequest = (_, __, pass) => pass();
  fetcher = await start();
});

afterEach(async () => {
  await fetcher.stop("test over");
  rmSync(folder, { recursive: true, force: true });
});

test("a prefix is a folder with its objects, and one object is a folder with a file", async () => {
  const tree = await fetchS3({ key: "logs/" });
  expect(filesBelow(tree.path)).toEqual({
    "2024-01-a.txt": "logs/2024-01-a.txt",
    "2024-01-b.txt": "logs/2024-01-b.txt",
    "2024-02-a.txt": "logs/2024-02-a.txt",
    "deep/x.csv": "logs/deep/x.csv",
  });
  expect(tree).toMatchObject({ wasCached: false, sizeBytes: 69n, movedBytes: 69n, filesPath: "", writable: false });
  expect(tree.digest).toMatch(/^cid:bafybei/u);
  expect(filesBelow((await fetchS3({ key: "logs/2024-01*" })).path)).toEqual({
    "2024-01-a.txt": "logs/2024-01-a.txt",
    "2024-01-b.txt": "logs/2024-01-b.txt",
  });
  expect(filesBelow((await fetchS3({ key: "other.txt" })).path)).toEqual({ "other.txt": "other.txt" });
});

test("the digest is what a publisher gives the same files, so that every kind of source shares them", async () => {
  await using store = await startContentStore();
  const { path, digest } = await fetchS3({ key: "logs/" });
  const { cid } = await store.publish(randomExecutionId(), filesBelow(path));
  expect(digest).toBe(`cid:${cid}`);
});

test("a filter leaves objects out, and nothing at all is an error", async () => {
  expect(Object.keys(filesBelow((await fetchS3({ key: "logs/", filter: "a\\.txt$" })).path))).toEqual(["2024-01-a.txt", "2024-02-a.txt"]);
  await expect(fetchS3({ key: "logs/", filter: "nope" })).rejects.toMatchObject({
    reason: "SOURCE_UNREACHABLE",
    message: "None of 4 objects matches the filter below s3://data/logs/.",
  });
  await expect(fetchS3({ key: "nothing/" })).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE", kind: "notFound" });
});

test("an unchanged listing costs no object, a changed object is fetched, and the same data under other keys is one entry", async () => {
  await put("mutable/a", "one");
  await put("copy/a", "one");
  const first = await fetchS3({ key: "mutable/" });
  let gets = 0;
  onRequest = (request, _, pass) => {
    if (request.url?.includes("mutable/a") === true) gets += 1;
    pass();
  };
  expect(await fetchS3({ key: "mutable/" })).toMatchObject({ path: first.path, wasCached: true, movedBytes: 0n });
  expect(gets).toBe(0);
  expect(await fetchS3({ key: "copy/" })).toMatchObject({ path: first.path, digest: first.digest });
  await put("mutable/a", "two");
  const second = await fetchS3({ key: "mutable/" });
  expect(filesBelow(second.path)).toEqual({ a: "two" });
  expect(filesBelow(first.path)).toEqual({ a: "one" });
  expect(await client().getCacheState({})).toMatchObject({ entries: 2, hits: 1n, movedBytes: 9n, hitBytes: 3n });
});

test("each partition gets its own objects and fetches no other", async () => {
  const asked = new Set<string>();
  onRequest = (request, _, pass) => {
    const key = /^\/data\/(logs[^?]+)$/u.exec(request.url ?? "")?.[1];
    if (request.method === "GET" && key !== undefined) asked.add(key);
    pass();
  };
  const modes = [
    { by: InputPartition_By.FILES },
    { by: InputPartition_By.OBJECT },
    { by: InputPartition_By.REGEX, pattern: "^(\\d+-\\d+)" },
    { by: InputPartition_By.SUBSTRING, startIndex: 0, endIndex: 7 },
    { by: InputPartition_By.DATE, dateFormat: "2006-01" },
  ];
  for (const mode of modes) {
    const parts: string[][] = [];
    for (const index of [0, 1, 2]) {
      asked.clear();
      const part = await fetchS3({ key: "logs/" }, { partition: mode, index, count: 3 });
      const files = Object.values(filesBelow(part.path));
      expect([...asked].every((key) => files.includes(key))).toBe(true);
      parts.push(files);
    }
    expect(parts.flat().toSorted(), String(mode.by)).toEqual(Object.values(filesBelow((await fetchS3({ key: "logs/" })).path)).toSorted());
  }
});

test("one partition by glob, and by months", async () => {
  const glob = await fetchS3({ key: "logs/" }, { partition: { by: InputPartition_By.FILES, glob: "**/*.csv" }, index: 0, count: 1 });
  expect(Object.keys(filesBelow(glob.path))).toEqual(["deep/x.csv"]);
  const months = await Promise.all(
    [0, 1].map(async (index) => {
      const partition = { by: InputPartition_By.DATE, dateFormat: "2006-01" };
      return Object.keys(filesBelow((await fetchS3({ key: "logs/" }, { partition, index, count: 2 })).path));
    }),
  );
  expect(months.some((files) => files.includes("2024-01-a.txt") && files.includes("2024-01-b.txt"))).toBe(true);
});

test("a pinned version is read after a newer one came", async () => {
  const old = await s3.putObject({ bucket: "versions", key: "v" }, Buffer.from("old"), { signal });
  await s3.putObject({ bucket: "versions", key: "v" }, Buffer.from("new"), { signal });
  expect(filesBelow((await fetchS3({ bucket: "versions", key: "v" })).path)).toEqual({ v: "new" });
  expect(filesBelow((await fetchS3({ bucket: "versions", key: "v", versionId: old.versionId ?? "" })).path)).toEqual({ v: "old" });
  await expect(fetchS3({ bucket: "versions", key: "v", versionId: "nope" })).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE" });
});

test("the declared sha256 of an object is checked", async () => {
  const sha256 = createHash("sha256").update(large).digest("hex");
  expect(await fetchS3({ key: "large", sha256 })).toMatchObject({ sizeBytes: BigInt(large.length) });
  await expect(fetchS3({ key: "other.txt", sha256 })).rejects.toMatchObject({ reason: "SOURCE_DIGEST_MISMATCH" });
  expect(await client().getCacheState({})).toMatchObject({ entries: 1 });
});

test("a download that is cut goes on where it was", async () => {
  const ranges: (string | undefined)[] = [];
  onRequest = (request, _, pass) => {
    if (request.method !== "GET" || request.url !== "/data/large") return pass();
    ranges.push(request.headers.range);
    pass(ranges.length < 3 ? 1.5 * MEBIBYTE : undefined);
  };
  const { path, digest } = await fetchS3({ key: "large" });
  expect(readFileSync(join(path, "large")).equals(large)).toBe(true);
  expect(ranges).toHaveLength(3);
  expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d+-$/u.test(range ?? ""))).toBe(true);
  await put("again/large", large);
  expect((await fetchS3({ key: "again/large" })).digest).toBe(digest);
});

test("an object that is replaced in the middle is SOURCE_CHANGED and leaves nothing", async () => {
  await put("swap", large);
  let calls = 0;
  onRequest = (request, _, pass) => {
    if (request.method !== "GET" || request.url !== "/data/swap") return pass();
    calls += 1;
    if (calls === 1) return pass(MEBIBYTE);
    put("swap", randomBytes(large.length)).then(
      () => pass(),
      () => pass(),
    );
  };
  await expect(fetchS3({ key: "swap" })).rejects.toMatchObject({ reason: "SOURCE_CHANGED" });
  expect(readdirSync(join(folder, "cache", "entries"))).toEqual([]);
  expect(readdirSync(join(folder, "cache", "scratch"))).toEqual([]);
});

test("503 is asked again, 403 and 404 are not", async () => {
  let calls = 0;
  onRequest = (_, response, pass) => {
    calls += 1;
    if (calls < 3) response.writeHead(503).end();
    else pass();
  };
  expect(filesBelow((await fetchS3({ key: "other.txt" })).path)).toEqual({ "other.txt": "other.txt" });
  onRequest = (_, response) => void response.writeHead(503).end();
  await expect(fetchS3({ key: "other.txt" })).rejects.toMatchObject({ reason: "SOURCE_UNREACHABLE", kind: "unavailable" });
  onRequest = (_, __, pass) => pass();
  await expect(fetchS3({ key: "missing" })).rejects.toMatchObject({
    reason: "SOURCE_UNREACHABLE",
    kind: "notFound",
    message: "s3://data/missing: there is no such object: the server answered 404 NoSuchKey.",
  });
  for (const key of ["k", "logs/"])
    await expect(fetchS3({ bucket: "nowhere", key })).rejects.toMatchObject({
      kind: "notFound",
      message: expect.stringContaining("there is no such bucket: the server answered 404 NoSuchBucket"),
    });
  await fetcher.stop("other credentials");
  fetcher = await start({ s3SecretAccessKey: "wrong" });
  await expect(fetchS3({ key: "other.txt" })).rejects.toMatchObject({
    reason: "SOURCE_ACCESS_DENIED",
    message: expect.stringContaining("the secret key is wrong: the server answered 403 SignatureDoesNotMatch"),
  });
  for (const key of ["large", "logs/"]) {
    await expect(estimate({ key })).rejects.toMatchObject({ reason: "SOURCE_ACCESS_DENIED", kind: "forbidden" });
  }
});

test("more bytes than allowed are refused before an object is asked for", async () => {
  let gets = 0;
  onRequest = (request, _, pass) => {
    if (request.url === "/data/large" && request.method === "GET") gets += 1;
    pass();
  };
  await expect(fetchS3({ key: "large" }, { bytesMax: MEBIBYTE })).rejects.toMatchObject({ reason: "SOURCE_TOO_LARGE" });
  expect(gets).toBe(0);
});

test("a server that sends nothing more is given up", async () => {
  await fetcher.stop("other settings");
  fetcher = await start({ lowSpeedWindowMs: 100, triesMax: 1 });
  const { etag } = await s3.headObject({ bucket: "data", key: "large" }, { signal });
  onRequest = (request, response, pass) => {
    if (request.method !== "GET" || request.url !== "/data/large") return pass();
    response.writeHead(200, { "content-length": large.length, etag }).write("begun");
  };
  await expect(fetchS3({ key: "large" })).rejects.toMatchObject({
    reason: "SOURCE_UNREACHABLE",
    message: expect.stringMatching(/sent (\d+) bytes of an object in 100 ms|gave no whole answer/u),
  });
});

test.each([
  ["a key that climbs", ["evil/../../x"]],
  ["a folder that is also an object", ["both/a", "both/a/b"]],
])("%s is refused and leaves nothing", async (_, keys) => {
  for (const key of keys) await put(key, "x");
  const prefix = `${keys[0]?.split("/")[0] ?? ""}/`;
  await expect(fetchS3({ key: prefix })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  expect(readdirSync(join(folder, "cache", "scratch"))).toEqual([]);
});

test("another server gets no credentials, and only if its address is public or allowed", async () => {
  const endpoint = frontUrl.replace("127.0.0.1", "localhost");
  await expect(fetchS3({ bucket: "public", key: "p", endpoint })).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await expect(fetchS3({ bucket: "public", key: "p", endpoint: server.endpoint })).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await expect(estimate({ key: "p", endpoint: "http://169.254.169.254" })).rejects.toMatchObject({ reason: "SOURCE_NOT_ALLOWED" });
  await fetcher.stop("other settings");
  fetcher = await start({ allowedPrivateCidrs: ["127.0.0.0/8", "::1/128"] });
  await s3.putObject({ bucket: "public", key: "p" }, Buffer.from("for all"), { signal });
  const authorizations: (string | undefined)[] = [];
  onRequest = (request, _, pass) => {
    authorizations.push(request.headers.authorization);
    pass();
  };
  expect(filesBelow((await fetchS3({ bucket: "public", key: "p", endpoint })).path)).toEqual({ p: "for all" });
  expect(authorizations.every((header) => header === undefined)).toBe(true);
  await expect(fetchS3({ key: "other.txt", endpoint })).rejects.toMatchObject({ reason: "SOURCE_ACCESS_DENIED" });
});

test("credentials are for the listed buckets alone", async () => {
  await fetcher.stop("other settings");
  fetcher = await start({ s3Buckets: ["versions"], allowedPrivateCidrs: ["127.0.0.0/8"] });
  await expect(fetchS3({ key: "other.txt" })).rejects.toMatchObject({ reason: "SOURCE_ACCESS_DENIED" });
  await s3.putObject({ bucket: "versions", key: "mine" }, Buffer.from("yes"), { signal });
  expect(filesBelow((await fetchS3({ bucket: "versions", key: "mine" })).path)).toEqual({ mine: "yes" });
});

test("a bid knows the bytes of the listing, of its part, and none when they are here", async () => {
  expect(await estimate({ key: "large" })).toBe(BigInt(large.length));
  expect(await estimate({ key: "large" }, { by: InputPartition_By.FILES }, 4)).toBe(BigInt(Math.ceil(large.length / 4)));
  await fetchS3({ key: "large" });
  expect(await estimate({ key: "large" })).toBe(0n);
  expect(await estimate({ key: "large" }, { by: InputPartition_By.FILES }, 4)).toBeGreaterThan(0n);
});

interface Asked {
  readonly bucket?: string;
  readonly key: string;
  readonly filter?: string;
  readonly endpoint?: string;
  readonly versionId?: string;
  readonly sha256?: string;
}

type Division = { readonly by: InputPartition_By } & Readonly<Record<string, unknown>>;

async function start(config: object = {}): Promise<StorageFetcherService> {
  const { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey } = server.credentials;
  const settings = { dataFolder: folder, s3Endpoint: frontUrl, s3AccessKeyId, s3SecretAccessKey, triesMax: 4, estimateTimeoutMs: 5_000 };
  const service = createStorageFetcherService(StorageFetcherConfig.parse({ ...settings, ...config }), { logger: silentLogger });
  await service.start();
  return service;
}

function client(): ReturnType<typeof createClient<typeof FetchService>> {
  return createClient(
    FetchService,
    clientErrors(createRouterTransport(fetcher.routes, { router: { interceptors: [serverErrors(silentLogger)] } })),
  );
}

async function fetchS3(
  source: Asked,
  {
    partition,
    index = 0,
    count = 1,
    bytesMax = 64 * MEBIBYTE,
  }: { partition?: Division; index?: number; count?: number; bytesMax?: number } = {},
): Promise<FetchInputResponse_Ready> {
  const input = { target: "/in", source: { case: "s3" as const, value: { bucket: "data", ...source } }, ...(partition && { partition }) };
  const request = { leaseId: "e-1", input, bytesMax: BigInt(bytesMax), partitionIndex: index, partitionCount: count };
  for await (const { event } of client().fetchInput(request)) if (event.case === "ready") return event.value;
  throw new Error("no ready");
}

async function estimate(source: Asked, partition?: Division, partitionCount = 1): Promise<bigint> {
  const input = { target: "/in", source: { case: "s3" as const, value: { bucket: "data", ...source } }, ...(partition && { partition }) };
  return (await client().estimateInputs({ inputs: [input], partitionCount })).missingBytes;
}

async function put(key: string, body: string | Buffer): Promise<void> {
  await s3.putObject({ bucket: "data", key }, Buffer.from(body), { signal });
}

function forward(request: IncomingMessage, response: ServerResponse, bytesMax = Infinity): void {
  const url = new URL(server.endpoint);
  const passed = httpRequest({
    host: url.hostname,
    port: url.port,
    path: request.url,
    method: request.method,
    headers: request.headers,
    agent: false,
  });
  passed.on("error", () => response.destroy());
  passed.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    let bytes = 0;
    answer.on("data", (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= bytesMax) return void response.write(piece);
      answer.destroy();
      response.write(piece.subarray(0, bytesMax), () => response.destroy());
    });
    answer.on("end", () => response.end());
    answer.on("error", () => response.destroy());
  });
  request.pipe(passed);
}

function filesBelow(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true }) as string[];
  const files = names.filter((name) => statSync(join(root, name)).isFile()).toSorted();
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(root, name), "utf8")]));
}
