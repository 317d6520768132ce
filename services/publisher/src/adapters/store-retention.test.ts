import { hash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import type { Block, CollectedGarbage } from "../ports.ts";
import { FileContentStore, type StoreOptions } from "./file-content-store.ts";

const noSignal = new AbortController().signal;
const HOUR = 3_600_000;
let folder: string;
let nowMs: number;
let store: FileContentStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-retention-"));
  nowMs = 1_000_000 * HOUR;
  store = await openStore();
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("lists pins by owner and root, in pages, with sizes and times", async () => {
  const blocks = Array.from({ length: 5 }, (_, index) => blockOf(Buffer.from(`block ${index}`)));
  await store.put(blocks);
  for (const [index, { cid }] of blocks.entries())
    await store.pin(cid, { owner: `pin:${index % 2}`, expiresAtMs: index === 0 ? undefined : nowMs + index }, noSignal);
  await store.pin(blocks[0]?.cid ?? "", { owner: "upload:x" }, noSignal);
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = store.pins({ ownerPrefix: "pin:", cid: undefined, pageSize: 2, pageToken });
    seen.push(...page.pins.map(({ owner, cid }) => `${owner} ${cid}`));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toHaveLength(5);
  expect(new Set(seen).size).toBe(5);
  expect(seen.map((line) => line.slice(0, 5))).toEqual(["pin:0", "pin:0", "pin:0", "pin:1", "pin:1"]);
  const { pins } = store.pins({ ownerPrefix: "", cid: blocks[0]?.cid, pageSize: 10, pageToken: "" });
  const pin = { cid: blocks[0]?.cid, sizeBytes: 7, createdAtMs: nowMs, expiresAtMs: undefined };
  expect(pins).toEqual([
    { owner: "pin:0", ...pin },
    { owner: "upload:x", ...pin },
  ]);
  expect(() => store.pins({ ownerPrefix: "", cid: undefined, pageSize: 2, pageToken: "x" })).toThrow("page token");
});

test("keeps the later end of a pin, and lets go of it when that has passed", async () => {
  const block = blockOf(Buffer.from("kept for a while"));
  await store.put([block]);
  await store.pin(block.cid, { owner: "upload", expiresAtMs: nowMs + 2 * HOUR }, noSignal);
  await store.pin(block.cid, { owner: "upload", expiresAtMs: nowMs + HOUR }, noSignal);
  store.extendPins(["upload", "nobody"], nowMs + 3 * HOUR);
  store.extendPins(["upload"], nowMs + HOUR);
  nowMs += 3 * HOUR - 1;
  expect(await collect()).toEqual({ pins: 0, blocks: 0, sizeBytes: 0 });
  nowMs += 1;
  expect(await collect({ isDryRun: true })).toEqual({ pins: 1, blocks: 1, sizeBytes: block.data.length });
  expect(store.missing([block.cid])).toEqual([]);
  expect(await collect()).toEqual({ pins: 1, blocks: 1, sizeBytes: block.data.length });
  expect(store.missing([block.cid])).toEqual([block.cid]);
});

test("spares blocks that may belong to an upload in progress, also those sent a second time", async () => {
  const [first, second] = [blockOf(Buffer.from("first")), blockOf(randomBytes(100_000))];
  await store.put([first, second]);
  nowMs += 2 * HOUR;
  await store.put([second]);
  expect(await collect({ olderThanMs: nowMs - HOUR })).toMatchObject({ blocks: 1, sizeBytes: 5 });
  expect(store.missing([first.cid, second.cid])).toEqual([first.cid]);
  expect(await store.state(noSignal)).toMatchObject({ sizeBytes: 100_000, unpinnedBytes: 100_000, pins: 0, results: 0 });
});

test("removes a result that nobody pins any more with its folder, and never one that is read in place", async () => {
  const staged = await stage({ stdout: "a".repeat(1_000), "outputs/data": "b" });
  const { path } = store.leaseTree(staged.cid, "reader", nowMs);
  expect(store.unpin([`execution:${staged.executionId}`])).toBe(1);
  expect(await collect()).toMatchObject({ pins: 0 });
  expect(existsSync(path)).toBe(true);
  await store.releaseTrees("reader");
  const { sizeBytes } = await collect({ isDryRun: true });
  expect(sizeBytes).toBeGreaterThan(1_001);
  expect(await collect()).toMatchObject({ sizeBytes });
  expect(readdirSync(join(folder, "store", "results"))).toEqual([]);
  expect(await store.state(noSignal)).toMatchObject({ sizeBytes: 0, results: 0 });
});

test("takes no more than it may hold, says so with numbers, and goes on when there is room", async () => {
  await reopen({ storeBytesMax: 1_000_000 });
  const staged = await stage({ stdout: "x".repeat(600_000) });
  const source = makeFolder({ stdout: "y".repeat(600_000) });
  const request = { executionId: randomExecutionId(), folder: source, bytesMax: 1_000_000 };
  const refused = store.stage(request, noSignal);
  await expect(refused).rejects.toMatchObject({
    reason: "STORE_FULL",
    metadata: { hint: expect.stringContaining("collect garbage") as string },
  });
  await expect(refused).rejects.toThrow(/600000 bytes do not fit: it holds 6\d{5} and may hold 1000000/u);
  expect(readdirSync(source)).toEqual(["stdout"]);
  expect(readdirSync(join(folder, "store", "results"))).toEqual([staged.executionId]);
  await expect(store.put([blockOf(randomBytes(500_000))])).rejects.toMatchObject({ reason: "STORE_FULL" });
  await store.drop(staged.executionId);
  expect((await store.stage(request, noSignal)).sizeBytes).toBe(600_000);
});

test("keeps pushed results for its own tasks until room is needed: the least used goes, none that is read or not pushed", async () => {
  await reopen({ storeBytesMax: 1_000_000 });
  const [kept, unused, read] = [
    await stage({ a: "a".repeat(200_000) }),
    await stage({ b: "b".repeat(200_000) }),
    await stage({ c: "c".repeat(200_000) }),
  ];
  for (const { executionId } of [unused, read]) await store.markPushed(executionId);
  nowMs += 1;
  store.leaseTree(read.cid, "reader", nowMs);
  await store.releaseTrees("reader");
  const more = await stage({ d: "d".repeat(500_000) });
  expect([kept, unused, read, more].map(({ executionId }) => store.findStaged(executionId) !== undefined)).toEqual([
    true,
    false,
    true,
    true,
  ]);
  store.leaseTree(read.cid, "reader", nowMs);
  await expect(stage({ e: "e".repeat(300_000) })).rejects.toMatchObject({ reason: "STORE_FULL" });
  await store.releaseTrees("reader");
  await stage({ e: "e".repeat(200_000) });
  expect(store.findStaged(read.executionId)).toBeUndefined();
  expect(await store.state(noSignal)).toMatchObject({ bytesMax: 1_000_000, results: 3 });
});

test("keeps no more pushed results than it was told", async () => {
  await reopen({ pushedBytesMax: 250_000 });
  const results = [
    await stage({ a: "a".repeat(100_000) }),
    await stage({ b: "b".repeat(100_000) }),
    await stage({ c: "c".repeat(100_000) }),
  ];
  for (const { executionId } of results) {
    nowMs += 1;
    await store.markPushed(executionId);
  }
  expect(results.map(({ executionId }) => store.findStaged(executionId) !== undefined)).toEqual([false, true, true]);
});

async function collect(request: { readonly isDryRun?: boolean; readonly olderThanMs?: number } = {}): Promise<CollectedGarbage> {
  return await store.collectGarbage({ isDryRun: false, nowMs, olderThanMs: nowMs + 1, ...request }, noSignal);
}

async function openStore(options: Partial<StoreOptions> = {}): Promise<FileContentStore> {
  const clock = { nowMs: () => nowMs, sleep: async () => Promise.reject(new Error("not needed")) };
  return await FileContentStore.open({ folder: join(folder, "store"), clock, ...options });
}

async function reopen(options: Partial<StoreOptions>): Promise<void> {
  store[Symbol.dispose]();
  store = await openStore(options);
}

async function stage(files: Readonly<Record<string, string>>): Promise<StagedResult> {
  return await store.stage({ executionId: randomExecutionId(), folder: makeFolder(files), bytesMax: 1_000_000 }, noSignal);
}

function blockOf(data: Uint8Array): Block {
  return { cid: rawCid(hash("sha256", data, "buffer")).toString(), data };
}

function makeFolder(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(folder, "result-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}
