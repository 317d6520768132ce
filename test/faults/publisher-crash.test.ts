import { randomBytes } from "node:crypto";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@skrei/platform/client.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { BlockService, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { parseCid } from "@skrei/unixfs/cid.ts";
import { walkDag } from "@skrei/unixfs/read-dag.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";

/** Bytes of the largest file; set it to 1 GiB for the full size. */
const LARGE_BYTES = Number(process.env["SKREI_TEST_LARGE"] ?? 48 * 1_048_576);
const SMALL_FILES = 1_500;
const RESULT_BYTES_MAX = 10_000_000_000n;
const TOKEN = "cluster-token";
const headers = { authorization: `Bearer ${TOKEN}` };
let folder: string;
let source: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-crash-"));
  source = join(folder, "source");
  mkdirSync(join(source, "outputs", "many"), { recursive: true });
  const file = openSync(join(source, "outputs", "large"), "w");
  for (let at = 0; at < LARGE_BYTES; at += 1_048_576) writeSync(file, randomBytes(1_048_576));
  closeSync(file);
  for (let index = 0; index < SMALL_FILES; index++) writeFileSync(join(source, "outputs", "many", `file-${index}`), `content ${index}`);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("twenty kills among staging and publishing leave one content id, every byte and no file too many", { timeout: 900_000 }, async () => {
  await using cluster = await startPublisher("cluster");
  const data = "node";
  let expected = "";
  let killed = 0;
  for (let round = 0; round < 20; round++) {
    const request = copyOf();
    await using doomed = await startPublisher(data, cluster.url);
    let isSettled = expected === "";
    const publishing = publish(doomed, request)
      .catch(() => "killed")
      .finally(() => (isSettled = true));
    const isReached = momentOf(round, request, data);
    if (expected !== "") await eventually(() => isSettled || isReached(), Boolean, { withinMs: 120_000, everyMs: 1 });
    if (expected !== "") await doomed.kill();
    const outcome = await publishing;
    if (expected === "") expected = outcome;
    expect([expected, "killed"]).toContain(outcome);
    if (outcome === "killed") killed++;
    await doomed.restart();
    expect(await publish(doomed, request)).toBe(expected);
    expect(existsSync(request.folder)).toBe(false);
    expect(await bytesBelow(doomed, expected)).toBeGreaterThan(LARGE_BYTES);
    await createClient(PublishService, transportOf(doomed)).dropResult({ executionId: request.executionId });
    await doomed.kill();
    expect(strayFiles(data)).toEqual([]);
    // So that the next round has all to push again.
    if (round < 19) await forget(cluster, request);
  }
  expect(killed).toBeGreaterThan(5);
  expect(await bytesBelow(cluster, expected)).toBeGreaterThan(LARGE_BYTES);
  await cluster.kill();
  expect(strayFiles("cluster")).toEqual([]);
});

test("two publishes of the same tree at once give one content id, and each can go without the other", { timeout: 300_000 }, async () => {
  await using publisher = await startPublisher("twins");
  const client = createClient(PublishService, transportOf(publisher));
  const requests = [copyOf(), copyOf()];
  const [first, second] = await Promise.all(requests.map(async (request) => await publish(publisher, request)));
  expect(second).toBe(first);
  await client.dropResult({ executionId: requests[0]?.executionId ?? "" });
  expect(await bytesBelow(publisher, first ?? "")).toBeGreaterThan(LARGE_BYTES);
});

test(
  "kills among collections of garbage take nothing that is pinned, and the next collection takes the rest",
  { timeout: 300_000 },
  async () => {
    const kept = copyOf();
    let cid = "";
    for (let round = 0; round < 5; round++) {
      const doomedResult = copyOf();
      await using publisher = await startPublisher("garbage");
      cid = await publish(publisher, kept);
      writeFileSync(join(doomedResult.folder, "own"), randomBytes(3_000_000));
      await publish(publisher, doomedResult);
      const store = createClient(StoreService, transportOf(publisher));
      await store.unpin({ owners: [`execution:${doomedResult.executionId}`] }, { headers });
      const collecting = store.collectGarbage({}, { headers }).catch(() => undefined);
      const home = join(folder, "garbage", "store", "results", doomedResult.executionId);
      await eventually(() => round === 0 || !existsSync(join(home, "own")) || logBytes("garbage") > round * 50_000, Boolean, {
        withinMs: 20_000,
        everyMs: 1,
      });
      await publisher.kill();
      await collecting;
      await publisher.restart();
      await createClient(StoreService, transportOf(publisher)).collectGarbage({}, { headers });
      expect(existsSync(home)).toBe(false);
      expect(await bytesBelow(publisher, cid)).toBeGreaterThan(LARGE_BYTES);
      await publisher.kill();
      expect(strayFiles("garbage")).toEqual([]);
    }
  },
);

async function forget(publisher: ServiceProcess, { executionId }: StageArguments): Promise<void> {
  const store = createClient(StoreService, transportOf(publisher));
  await store.unpin({ owners: [`execution:${executionId}`] }, { headers });
  await store.collectGarbage({}, { headers });
}

async function startPublisher(data: string, upstreamUrl?: string): Promise<ServiceProcess> {
  const flags = { "data-folder": join(folder, data), "publish-token": TOKEN, "upstream-url": upstreamUrl, "unpinned-block-ttl-ms": "1" };
  return await startServiceProcess("publisher", flags);
}

function transportOf({ url }: ServiceProcess): ReturnType<typeof createHttpTransport> {
  return createHttpTransport({ url });
}

/** Moments of a publish: called, moved in, ever more of the index written, ever more pushed. */
function momentOf(round: number, { executionId }: StageArguments, data: string): () => boolean {
  const isIn = (): boolean => existsSync(join(folder, data, "store", "results", executionId));
  if (round < 2) return () => round === 0 || isIn();
  if (round < 10) return () => isIn() && logBytes(data) > (round - 1) * 40_000;
  return () => packBytes("cluster") > ((round - 9) * LARGE_BYTES) / 12;
}

function logBytes(data: string): number {
  return statSync(join(folder, data, "store", "index.sqlite-wal"), { throwIfNoEntry: false })?.size ?? 0;
}

function packBytes(data: string): number {
  const packs = join(folder, data, "store", "packs");
  return readdirSync(packs).reduce((sum, name) => sum + (statSync(join(packs, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Files of a store that its index does not know. */
function strayFiles(data: string): string[] {
  const store = join(folder, data, "store");
  const database = new DatabaseSync(join(store, "index.sqlite"));
  const packs = new Set(
    database
      .prepare("SELECT name FROM pack")
      .all()
      .map((row) => row["name"]),
  );
  const results = new Set(
    database
      .prepare("SELECT execution_id FROM result")
      .all()
      .map((row) => row["execution_id"]),
  );
  database.close();
  return [
    ...readdirSync(join(store, "packs")).filter((name) => !packs.has(name)),
    ...readdirSync(join(store, "results")).filter((name) => !results.has(name)),
    ...readdirSync(join(store, "scratch")),
  ];
}

/** Bytes of all blocks below a root. Every one is read, and the service checks each against its hash. */
async function bytesBelow(publisher: ServiceProcess, root: string): Promise<number> {
  const client = createClient(BlockService, transportOf(publisher));
  let bytes = 0;
  const read = async (cids: readonly string[]): Promise<Uint8Array[]> => {
    const blocks: Uint8Array[] = [];
    for await (const { block } of client.getBlocks({ cids: [...cids] }, { headers })) blocks.push(block?.data ?? new Uint8Array());
    return blocks;
  };
  const load = async (cid: { toString(): string }): Promise<Uint8Array> => (await read([cid.toString()]))[0] ?? new Uint8Array();
  const leaves: string[] = [];
  for await (const { cid, block } of walkDag(load, parseCid(root), { loadsLeaves: false })) {
    if (block === undefined) leaves.push(cid.toString());
    bytes += block?.length ?? 0;
  }
  for (let start = 0; start < leaves.length; start += 50)
    for (const { length } of await read(leaves.slice(start, start + 50))) bytes += length;
  return bytes;
}

interface StageArguments {
  readonly executionId: string;
  readonly folder: string;
}

async function publish(publisher: ServiceProcess, request: StageArguments): Promise<string> {
  const client = createClient(PublishService, transportOf(publisher));
  const { cid } = await client.stageResult({ ...request, bytesMax: RESULT_BYTES_MAX });
  let published = "";
  for await (const { event } of client.publishResult({ executionId: request.executionId, provenance: {} }))
    if (event.case === "done") published = event.value.cid;
  expect(published).toBe(cid);
  return cid;
}

/** The large file is not copied: the store only changes its mode. */
function copyOf(): StageArguments {
  const executionId = randomExecutionId();
  const copy = join(folder, `work-${executionId}`);
  mkdirSync(join(copy, "outputs"), { recursive: true });
  cpSync(join(source, "outputs", "many"), join(copy, "outputs", "many"), { recursive: true });
  linkSync(join(source, "outputs", "large"), join(copy, "outputs", "large"));
  return { executionId, folder: copy };
}
