import { createPublicKey, hash, randomBytes, verify } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { type HttpServer, startHttpServer } from "@skrei/platform/http-server.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { signLink } from "@skrei/platform/signed-link.ts";
import { BlockService, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { Publisher_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parseCid, rawCid, verifyBlock } from "@skrei/unixfs/cid.ts";
import { CID } from "multiformats/cid";
import { linksOf } from "@skrei/unixfs/node.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomExecutionId } from "../../../test/kit/random-execution-id.ts";
import { canonicalJson } from "./domain/manifest.ts";
import { PublisherConfig } from "./config.ts";
import { createPublisherService, type PublisherService } from "./service.ts";

const MIB = 1_048_576;
const LINK_KEY = "the-key-of-links";
const weights = randomBytes(5 * MIB + 11);
let folder: string;
let cluster: PublisherService;
let node: PublisherService;
let server: HttpServer;
let published: { readonly cid: string; readonly manifestCid: string; readonly executionId: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-publisher-"));
  cluster = createPublisherService(configOf("cluster"), { logger: silentLogger });
  await cluster.start();
  server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    routes: cluster.routes,
    fallback: cluster.fallback,
    logger: silentLogger,
    readBytesMax: 5 * MIB,
  });
  node = createPublisherService(configOf("node"), { logger: silentLogger, upstream: createHttpTransport({ url: server.url }) });
  await node.start();
  published = await publish({ stdout: "hello\n", "outputs/model/weights.bin": weights, "outputs/model/läs mig <b>.txt": "text" });
});

afterAll(async () => {
  await node.stop("test over");
  await server.close();
  await cluster.stop("test over");
  rmSync(folder, { recursive: true, force: true });
});

test("pushes a result from a node to the cluster's store, where a link reads it", async () => {
  const { status, body, headers } = await get(`/ipfs/${published.cid}/outputs/model/weights.bin`);
  expect(status).toBe(200);
  expect(body.equals(weights)).toBe(true);
  expect(headers).toMatchObject({
    "content-length": String(weights.length),
    "x-content-type-options": "nosniff",
    "content-disposition": "attachment; filename*=UTF-8''weights.bin",
  });
});

test("publishes again with the same manifest, and the node can drop its copy", async () => {
  const client = createClient(PublishService, inMemory(node));
  expect(await lastOf(client.publishResult({ executionId: published.executionId, provenance: { jobId: "another" } }))).toMatchObject({
    manifestCid: published.manifestCid,
  });
  await client.dropResult({ executionId: published.executionId });
  await client.dropResult({ executionId: published.executionId });
  await expect(lastOf(client.publishResult({ executionId: published.executionId, provenance: {} }))).rejects.toMatchObject({
    reason: "RESULT_NOT_STAGED",
  });
  expect((await get(`/ipfs/${published.cid}/stdout`)).body.toString()).toBe("hello\n");
});

test("signs a manifest that anybody can check", async () => {
  const { body } = await get(`/ipfs/${published.manifestCid}`, { cid: published.manifestCid });
  const { manifest, signature } = JSON.parse(body.toString()) as {
    manifest: Record<string, unknown>;
    signature: { publicKey: string; value: string };
  };
  expect(manifest).toMatchObject({
    cid: published.cid,
    jobId: "j-1",
    exitCode: 3,
    executionId: published.executionId,
    inputDigests: { "/inputs": "sha256:00" },
  });
  expect(signature.publicKey).toBe(node.publicKey());
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(signature.publicKey, "base64").toString("base64url") },
    format: "jwk",
  });
  expect(verify(null, Buffer.from(canonicalJson(manifest)), key, Buffer.from(signature.value, "base64"))).toBe(true);
});

test.each([
  ["bytes=0-0", 206, 0, 1],
  ["bytes=1048570-1048585", 206, 1_048_570, 1_048_586],
  ["bytes=-20", 206, weights.length - 20, weights.length],
  [`bytes=${weights.length - 5}-`, 206, weights.length - 5, weights.length],
  ["bytes=0-1,5-6", 200, 0, weights.length],
  ["bytes=5-2", 200, 0, weights.length],
])("answers Range: %s with %d", async (range, status, start, end) => {
  const answer = await get(`/ipfs/${published.cid}/outputs/model/weights.bin`, { headers: { range } });
  expect(answer.status).toBe(status);
  expect(answer.body.equals(weights.subarray(start, end))).toBe(true);
});

test("says 416 beyond the end and 304 for what the caller has", async () => {
  const path = `/ipfs/${published.cid}/outputs/model/weights.bin`;
  expect(await get(path, { headers: { range: `bytes=${weights.length}-` } })).toMatchObject({
    status: 416,
    headers: { "content-range": `bytes */${weights.length}` },
  });
  const { headers } = await get(path, { method: "HEAD" });
  expect(await get(path, { headers: { "if-none-match": headers["etag"] ?? "" } })).toMatchObject({ status: 304 });
  expect(await get(path, { headers: { "if-range": '"other"', range: "bytes=0-1" } })).toMatchObject({ status: 200 });
});

test("lists folders as JSON and as a page whose names cannot run", async () => {
  const { body } = await get(`/ipfs/${published.cid}/outputs/model?format=json`);
  const { entries } = JSON.parse(body.toString()) as { entries: { name: string; sizeBytes: number; kind: string }[] };
  expect(entries.map(({ name, sizeBytes, kind }) => [name, sizeBytes, kind])).toEqual([
    ["läs mig <b>.txt", 4, "file"],
    ["weights.bin", weights.length, "file"],
  ]);
  const page = (await get(`/ipfs/${published.cid}/outputs/model`)).body.toString();
  expect(page).toContain("l%C3%A4s%20mig%20%3Cb%3E.txt");
  expect(page).not.toContain("<b>");
});

test("gives exactly the blocks that a reader lacks, and none that the link is not for", async () => {
  const leaves = readCar((await get(`/ipfs/${published.cid}?format=car`)).body).filter(({ cid }) => cid.code === 0x55);
  const wanted = [leaves[2], leaves[0]].map((leaf) => leaf?.cid.toString() ?? "");
  const { body } = await get(`/ipfs/${published.cid}?format=car&blocks=${wanted.join(",")}`);
  expect(readCar(body).map(({ cid }) => cid.toString())).toEqual(wanted);
  const stranger = rawCid(hash("sha256", "stranger", "buffer")).toString();
  expect(await get(`/ipfs/${published.cid}?format=car&blocks=${wanted[0] ?? ""},${stranger}`)).toMatchObject({ status: 403 });
  const many = Array.from({ length: 65 }, () => stranger).join(",");
  expect(await get(`/ipfs/${published.cid}?format=car&blocks=${many}`)).toMatchObject({ status: 400 });
});

test("streams a CAR whose blocks all verify and follow their parents", async () => {
  const { body } = await get(`/ipfs/${published.cid}?format=car`);
  const blocks = readCar(body);
  expect(blocks[0]?.cid.toString()).toBe(published.cid);
  const known = new Set([published.cid]);
  for (const { cid, data } of blocks) {
    verifyBlock(cid, data);
    expect(known.has(cid.toString())).toBe(true);
    for (const link of linksOf(cid, data)) known.add(link.toString());
  }
  expect(blocks.length).toBe(known.size);
  const entity = readCar((await get(`/ipfs/${published.cid}/outputs?format=car&dag-scope=block`)).body);
  expect(entity.length).toBe(2);
});

test("gives exactly the blocks that hold the bytes asked for, as a CAR and by path", async () => {
  const path = `/ipfs/${published.cid}/outputs/model/weights.bin`;
  const whole = readCar((await get(`${path}?format=car&dag-scope=entity`)).body);
  const { body, headers } = await get(`${path}?format=car&entity-bytes=0:9`);
  const part = readCar(body);
  expect(part.filter(({ cid }) => cid.code === 0x55)).toHaveLength(1);
  expect(part.length).toBe(whole.length - whole.filter(({ cid }) => cid.code === 0x55).length + 1);
  expect(headers["x-ipfs-roots"]?.split(",")).toHaveLength(4);
  expect(headers["x-ipfs-roots"]).toMatch(new RegExp(`^${published.cid},`, "u"));
  expect(headers["x-ipfs-path"]).toBe(path);
  expect((await get(`${path}?format=car&entity-bytes=ten`)).status).toBe(400);
});

test("gives raw blocks below the root of the link, and nothing beside it", async () => {
  const { body } = await get(`/ipfs/${published.cid}?format=raw`);
  const [below] = linksOf(parseCid(published.cid), body);
  expect((await get(`/ipfs/${below?.toString()}?format=raw`)).status).toBe(200);
  expect((await get(`/ipfs/${published.manifestCid}?format=raw`)).status).toBe(403);
});

test("cuts the connection when a file turns out to be damaged on the way", async () => {
  const data = randomBytes(3 * MIB);
  const { cid } = await publish({ "outputs/data": data });
  const packs = join(folder, "cluster", "store", "packs");
  for (const name of readdirSync(packs)) {
    const pack = readFileSync(join(packs, name));
    const at = pack.indexOf(data.subarray(2 * MIB, 2 * MIB + 64));
    if (at >= 0) writeFileSync(join(packs, name), pack.fill(0, at, at + 8));
  }
  await expect(get(`/ipfs/${cid}/outputs/data`, { cid })).rejects.toThrow("aborted");
});

test.each([
  ["no token", () => ""],
  ["another key", () => signLink({ key: "wrong", purpose: "download", cid: published.cid, expiresAtMs: Date.now() + 60_000 })],
  ["an upload link", () => signLink({ key: LINK_KEY, purpose: "upload", cid: published.cid, expiresAtMs: Date.now() + 60_000 })],
  ["an expired link", () => signLink({ key: LINK_KEY, purpose: "download", cid: published.cid, expiresAtMs: Date.now() - 1 })],
])("refuses %s with 403 LINK_INVALID", async (_, token) => {
  const answer = await get(`/ipfs/${published.cid}/stdout`, { token: token() });
  expect(answer.status).toBe(403);
  expect(JSON.parse(answer.body.toString())).toMatchObject({ reason: "LINK_INVALID" });
});

test.each([
  ["/ipfs/not-a-cid", 400],
  ["/", 404],
  ["/ipfs/%ROOT/no-such-file", 404],
  ["/ipfs/%ROOT/%FF", 400],
  ["/ipfs/%ROOT?format=tar", 400],
])("answers %s with %d", async (path, status) => {
  expect((await get(path.replace("%ROOT", published.cid))).status).toBe(status);
});

test("lets an upload link push and pin its own root, within its size, and read nothing", async () => {
  const data = randomBytes(1_000);
  const cid = rawCid(hash("sha256", data, "buffer")).toString();
  const transport = clientErrors(inMemory(cluster));
  const client = createClient(BlockService, transport);
  const token = signLink({ key: LINK_KEY, purpose: "upload", cid, expiresAtMs: Date.now() + 60_000, bytesMax: 1_000 });
  const headers = { authorization: `Bearer ${token}` };
  expect((await client.findMissingBlocks({ cids: [cid] }, { headers })).missingCids).toEqual([cid]);
  await client.putBlocks({ blocks: [{ cid, data }] }, { headers });
  await expect(client.pinRoot({ cid: published.cid }, { headers })).rejects.toMatchObject({ reason: "LINK_INVALID" });
  await client.pinRoot({ cid }, { headers });
  await expect(
    client
      .getBlocks({ cids: [cid] }, { headers })
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toMatchObject({ reason: "LINK_INVALID" });
  await expect(client.findMissingBlocks({ cids: [cid] })).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  for await (const { block } of client.getBlocks({ cids: [cid] }, { headers: { authorization: "Bearer cluster-token" } }))
    expect(Buffer.from(block?.data ?? []).equals(data)).toBe(true);
});

test("keeps a result when the cluster's store is away, and publishes it later", async () => {
  const away = createPublisherService(configOf("away"), {
    logger: silentLogger,
    upstream: createHttpTransport({ url: "http://127.0.0.1:9" }),
  });
  await away.start();
  const executionId = randomExecutionId();
  const client = createClient(PublishService, inMemory(away));
  await client.stageResult({ executionId, folder: makeFolder({ stdout: "later" }), bytesMax: BigInt(MIB) });
  await expect(lastOf(client.publishResult({ executionId, provenance: {} }))).rejects.toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
  await away.stop("restart");
  const back = createPublisherService(configOf("away"), { logger: silentLogger, upstream: createHttpTransport({ url: server.url }) });
  await back.start();
  const { cid } = await lastOf(createClient(PublishService, inMemory(back)).publishResult({ executionId, provenance: {} }));
  await back.stop("test over");
  expect((await get(`/ipfs/${cid}/stdout`, { cid })).body.toString()).toBe("later");
});

test("says when the cluster's store has what its target lacks, which is then no more than a copy where nobody waits for the target", async () => {
  const settings = { ...configOf("stopped"), ipfsRpcUrl: "http://127.0.0.1:9", pushedBytesMax: 0 };
  const stopped = createPublisherService(settings, { logger: silentLogger, upstream: createHttpTransport({ url: server.url }) });
  await stopped.start();
  const executionId = randomExecutionId();
  const client = createClient(PublishService, inMemory(stopped));
  const { cid } = await client.stageResult({ executionId, folder: makeFolder({ stdout: "kept" }), bytesMax: BigInt(MIB) });
  const events: (string | undefined)[] = [];
  const publishing = client.publishResult({ executionId, provenance: {}, publisher: { type: Publisher_Type.IPFS } });
  const reading = (async () => {
    for await (const { event } of publishing) if (event.case !== "progress") events.push(event.case);
  })();
  await expect(reading).rejects.toMatchObject({ reason: "TARGET_UNAVAILABLE" });
  expect(events).toEqual(["kept"]);
  const state = createClient(StoreService, inMemory(stopped));
  const headers = { authorization: "Bearer cluster-token" };
  const count = async (): Promise<number> => (await state.getStoreState({}, { headers })).results;
  expect(await count()).toBe(1);
  await client.dropResult({ executionId, staysInCluster: true });
  expect(await count()).toBe(0);
  await stopped.stop("test over");
  expect((await get(`/ipfs/${cid}/stdout`, { cid })).body.toString()).toBe("kept");
});

function configOf(name: string): PublisherConfig {
  return PublisherConfig.parse({ dataFolder: join(folder, name), linkSecret: LINK_KEY, publishToken: "cluster-token", freeBytesMin: 0 });
}

async function publish(files: Readonly<Record<string, string | Buffer>>): Promise<typeof published> {
  const executionId = randomExecutionId();
  const client = createClient(PublishService, inMemory(node));
  const { cid } = await client.stageResult({ executionId, folder: makeFolder(files), bytesMax: BigInt(100 * MIB) });
  const provenance = { jobId: "j-1", exitCode: 3, inputDigests: { "/inputs": "sha256:00" } };
  const done = await lastOf(client.publishResult({ executionId, provenance }));
  expect(done.cid).toBe(cid);
  return { ...done, executionId };
}

function inMemory(service: PublisherService): Transport {
  return clientErrors(createRouterTransport(service.routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
}

async function lastOf(
  events: AsyncIterable<{ readonly event?: { readonly case: string | undefined; readonly value?: unknown } }>,
): Promise<{ cid: string; manifestCid: string }> {
  let done: unknown;
  for await (const { event } of events) if (event?.case === "done") done = event.value;
  return done as { cid: string; manifestCid: string };
}

function makeFolder(files: Readonly<Record<string, string | Buffer>>): string {
  const root = mkdtempSync(join(folder, "result-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

async function get(
  path: string,
  {
    cid = published.cid,
    token = signLink({ key: LINK_KEY, purpose: "download", cid, expiresAtMs: Date.now() + 60_000 }),
    method = "GET",
    headers = {},
  }: { cid?: string; token?: string; method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const url = `${server.url}${path}${path.includes("?") ? "&" : "?"}token=${token}`;
  return await new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers as Answer["headers"], body: Buffer.concat(pieces) }),
      );
      response.on("error", reject);
    });
    request.on("error", reject).end();
  });
}

function readCar(car: Buffer): { cid: CID; data: Buffer }[] {
  const blocks = [];
  for (let at = 0; at < car.length;) {
    let length = 0;
    for (let shift = 0, byte = 128; byte > 127; shift += 7) {
      byte = car[at++] ?? 0;
      length += (byte & 127) * 2 ** shift;
    }
    const section = car.subarray(at, at + length);
    at += length;
    // The first section is the header; the content ids here have 36 bytes.
    if (section[0] === 1) blocks.push({ cid: CID.decode(section.subarray(0, 36)), data: section.subarray(36) });
  }
  return blocks;
}
