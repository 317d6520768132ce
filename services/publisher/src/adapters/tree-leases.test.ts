import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "@skrei/platform/clock.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import { FileContentStore } from "./file-content-store.ts";

const noSignal = new AbortController().signal;
let folder: string;
let store: FileContentStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-lease-"));
  store = await openStore();
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("leases a result, a named output and a file of it where they lie, sealed and readable by all", async () => {
  const staged = await stage({ stdout: "hello", "outputs/model/deep/weights": "w" });
  const home = homeOf(staged);
  expect(store.leaseTree(staged.cid, "reader", 1)).toEqual({ path: home, sizeBytes: 6 });
  expect(store.leaseTree(partOf(staged, "outputs/model"), "reader", 1)).toEqual({ path: join(home, "outputs/model"), sizeBytes: 1 });
  expect(store.leaseTree(partOf(staged, "stdout"), "reader", 1)).toEqual({ path: join(home, "stdout"), sizeBytes: 5 });
  const modes = ["", "stdout", "outputs/model/deep", "outputs/model/deep/weights"].map((path) => lstatSync(join(home, path)).mode & 0o7777);
  expect(modes).toEqual([0o555, 0o444, 0o555, 0o444]);
});

test("keeps the files of a dropped result until its last reader has ended, over a restart", async () => {
  const staged = await stage({ "outputs/data": "kept" });
  const { path } = store.leaseTree(partOf(staged, "outputs/data"), "first", 1);
  store.leaseTree(staged.cid, "second", 1);
  await store.drop(staged.executionId);
  expect(store.findStaged(staged.executionId)).toBeUndefined();
  expect(() => store.leaseTree(staged.cid, "late", 1)).toThrow(expect.objectContaining({ reason: "BLOCK_MISSING" }) as Error);
  await reopen();
  await store.releaseTrees("first");
  await store.releaseTrees("first");
  await store.releaseTrees("nobody");
  expect(readFileSync(path, "utf8")).toBe("kept");
  const again = store.stage({ executionId: staged.executionId, folder: makeFolder({ stdout: "" }), bytesMax: 1 }, noSignal);
  await expect(again).rejects.toMatchObject({ reason: "DATA_IN_USE" });
  await store.releaseTrees("second");
  expect(existsSync(homeOf(staged))).toBe(false);
});

test("leases only what its content id says whole, and never a link", async () => {
  const source = makeFolder({ "outputs/clean/file": "x", "outputs/mixed/file": "y" });
  symlinkSync("clean", join(source, "outputs/link"));
  execFileSync("mkfifo", [join(source, "outputs/mixed/pipe")]);
  const staged = await store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: 100 }, noSignal);
  for (const cid of [staged.cid, partOf(staged, "outputs"), partOf(staged, "outputs/mixed"), partOf(staged, "outputs/link")])
    expect(() => store.leaseTree(cid, "reader", 1)).toThrow(expect.objectContaining({ reason: "BLOCK_MISSING" }) as Error);
  expect(store.leaseTree(partOf(staged, "outputs/clean"), "reader", 1).sizeBytes).toBe(1);
});

test("passes over a tree that is not as it was sealed, for another that is", async () => {
  const [first, second] = [await stage({ "outputs/data": "same" }), await stage({ "outputs/data": "same" })];
  for (const [index, staged] of [first, second].entries()) {
    chmodSync(join(homeOf(staged), "outputs/data"), 0o644);
    writeFileSync(join(homeOf(staged), "outputs/data"), "longer than it was");
    if (index === 1) continue;
    expect(store.leaseTree(partOf(first, "outputs/data"), "reader", 1).path).toBe(join(homeOf(second), "outputs/data"));
  }
  expect(() => store.leaseTree(partOf(first, "outputs/data"), "reader", 1)).toThrow("as a file or folder");
});

test("opens a store of the first version, with its pins' roots and sizes, and refuses one from the future", async () => {
  const staged = await stage({ stdout: "old", "outputs/a": "same", "outputs/b": "same" });
  const manifest = Buffer.from('{"manifest":{}}');
  await store.keepManifest(staged.executionId, manifest);
  store[Symbol.dispose]();
  const index = join(folder, "store", "index.sqlite");
  const database = new DatabaseSync(index);
  database.exec("DROP TABLE tree; DROP TABLE lease; DROP TABLE released; DROP INDEX pin_expires; PRAGMA user_version = 0;");
  for (const column of ["codec", "size_bytes", "created_ms", "expires_ms"]) database.exec(`ALTER TABLE pin DROP COLUMN ${column}`);
  for (const column of ["pushed_ms", "used_ms"]) database.exec(`ALTER TABLE result DROP COLUMN ${column}`);
  database.exec("ALTER TABLE folder DROP COLUMN size_bytes");
  database.close();
  store = await openStore();
  expect(store.findStaged(staged.executionId)?.cid).toBe(staged.cid);
  expect(store.isBelow(staged.cid, rawCid(hash("sha256", "old", "buffer")).toString())).toBe(true);
  let sizeBytes = 0;
  for await (const block of store.list(staged.cid)) sizeBytes += block.sizeBytes;
  store[Symbol.dispose]();
  const upgraded = new DatabaseSync(index);
  expect(upgraded.prepare("SELECT codec, size_bytes FROM pin ORDER BY codec").all()).toEqual([
    { codec: 0x55, size_bytes: manifest.length },
    { codec: 0x70, size_bytes: sizeBytes },
  ]);
  upgraded.exec("PRAGMA user_version = 99");
  upgraded.close();
  await expect(openStore()).rejects.toMatchObject({ reason: "CONFIG_INVALID" });
  const back = new DatabaseSync(index);
  back.exec("PRAGMA user_version = 2");
  back.close();
  store = await openStore();
});

async function openStore(): Promise<FileContentStore> {
  return await FileContentStore.open({ folder: join(folder, "store"), freeBytesMin: 0, clock: systemClock });
}

async function reopen(): Promise<void> {
  store[Symbol.dispose]();
  store = await openStore();
}

async function stage(files: Readonly<Record<string, string>>): Promise<StagedResult> {
  return await store.stage({ executionId: randomExecutionId(), folder: makeFolder(files), bytesMax: 1_000 }, noSignal);
}

function homeOf({ executionId }: StagedResult): string {
  return join(folder, "store", "results", executionId);
}

function partOf({ parts }: StagedResult, path: string): string {
  return parts.find((part) => part.path === path)?.cid ?? "";
}

function makeFolder(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(folder, "result-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}
