import { execFileSync } from "node:child_process";
import { hash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@skrei/platform/clock.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileContentStore } from "../../services/publisher/src/adapters/file-content-store.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";

const MIB = 1_048_576;
const noSignal = new AbortController().signal;
const isRoot = process.getuid?.() === 0;
let disk: string;
let store: FileContentStore;

beforeEach(async () => {
  disk = mkdtempSync(join(tmpdir(), "skrei-full-"));
  if (!isRoot) return;
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", disk]);
  store = await FileContentStore.open({ folder: join(disk, "store"), clock: systemClock });
});

afterEach(() => {
  if (isRoot) {
    store[Symbol.dispose]();
    execFileSync("umount", [disk]);
  }
  rmSync(disk, { recursive: true });
});

/** Room left on the disk: so little that the first write fails, up to enough for all but the last. */
const FREE_KIB = [0, 4, 8, 16, 32, 64, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048];

test.runIf(isRoot)(
  "a disk that is full at any step of staging leaves the folder with its owner, or staged",
  { timeout: 60_000 },
  async () => {
    for (const kib of FREE_KIB) {
      const folder = makeResult();
      const executionId = randomExecutionId();
      const request = { executionId, folder, bytesMax: 10 * MIB };
      const expected = await cidElsewhere(folder);
      const free = fill(kib);
      const outcome = await store.stage(request, noSignal).then(
        ({ cid }) => cid,
        (error: { reason?: string }) => error.reason ?? String(error),
      );
      expect(["STORE_FULL", expected]).toContain(outcome);
      expect(existsSync(folder)).toBe(outcome === "STORE_FULL");
      expect(store.findStaged(executionId)?.cid).toBe(outcome === "STORE_FULL" ? undefined : expected);
      free();
      expect((await store.stage(request, noSignal)).cid).toBe(expected);
      for await (const { cid } of store.list(expected)) await store.get(cid);
      await store.drop(executionId);
      await expectEmpty();
    }
  },
);

test.runIf(isRoot)("a disk that is full at any step of an upload keeps all of a message or nothing", { timeout: 60_000 }, async () => {
  for (const kib of FREE_KIB) {
    const data = [randomBytes(1 * MIB), randomBytes(300_000), randomBytes(500)];
    const blocks = data.map((bytes) => ({ cid: rawCid(hash("sha256", bytes, "buffer")).toString(), data: bytes }));
    const cids = blocks.map(({ cid }) => cid);
    const free = fill(kib);
    const outcome = await store.put(blocks).then(
      () => "stored",
      (error: { reason?: string }) => error.reason ?? String(error),
    );
    expect(["STORE_FULL", "stored"]).toContain(outcome);
    expect(store.missing(cids)).toEqual(outcome === "stored" ? [] : cids);
    const pinned = await store.pin(cids[0] ?? "", { owner: "upload" }, noSignal).then(
      () => "pinned",
      (error: { reason?: string }) => error.reason ?? String(error),
    );
    expect(outcome === "stored" ? ["STORE_FULL", "pinned"] : ["BLOCK_MISSING"]).toContain(pinned);
    free();
    await store.put(blocks);
    await store.pin(cids[0] ?? "", { owner: "upload" }, noSignal);
    expect((await store.get(cids[0] ?? "")).length).toBe(MIB);
    store.unpin(["upload"]);
    await expectEmpty();
  }
});

test.runIf(isRoot)(
  "a disk that is full at any step of a collection loses nothing, and the next collection ends it",
  { timeout: 60_000 },
  async () => {
    for (const kib of FREE_KIB.slice(0, 8)) {
      const [kept, dropped] = [makeResult(), makeResult()];
      const { cid } = await store.stage({ executionId: randomExecutionId(), folder: kept, bytesMax: 10 * MIB }, noSignal);
      const executionId = randomExecutionId();
      await store.stage({ executionId, folder: dropped, bytesMax: 10 * MIB }, noSignal);
      const free = fill(kib);
      try {
        store.unpin([`execution:${executionId}`]);
        await collect();
      } catch (error) {
        expect(error).toMatchObject({ reason: "STORE_FULL" });
      }
      for await (const { cid: below } of store.list(cid)) await store.get(below);
      free();
      store.unpin([`execution:${executionId}`]);
      await collect();
      expect(store.findStaged(executionId)).toBeUndefined();
      for await (const { cid: below } of store.list(cid)) await store.get(below);
      store.unpin(store.pins({ ownerPrefix: "", cid: undefined, pageSize: 100, pageToken: "" }).pins.map(({ owner }) => owner));
      await expectEmpty();
    }
  },
);

/** Takes the disk but for so many KiB; the returned function gives it back. */
function fill(kib: number): () => void {
  const filler = join(disk, "filler");
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(filler, Buffer.alloc(Math.max(bavail * bsize - kib * 1_024, 0)));
  return () => rmSync(filler);
}

async function collect(): Promise<void> {
  const nowMs = Date.now();
  await store.collectGarbage({ isDryRun: false, nowMs, olderThanMs: nowMs + 1_000 }, noSignal);
}

async function expectEmpty(): Promise<void> {
  await collect();
  expect(await store.state(noSignal)).toMatchObject({ sizeBytes: 0, results: 0, pins: 0, unpinnedBytes: 0 });
  for (const name of ["packs", "results", "scratch"]) expect(readdirSync(join(disk, "store", name))).toEqual([]);
}

/** Enough files that their index does not fit everywhere. */
function makeResult(): string {
  const root = mkdtempSync(join(disk, "result-"));
  mkdirSync(join(root, "outputs"));
  writeFileSync(join(root, "outputs", "large"), randomBytes(MIB + 1));
  for (let index = 0; index < 500; index++) writeFileSync(join(root, "outputs", `file-${index}`), randomBytes(20));
  return root;
}

async function cidElsewhere(folder: string): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), "skrei-elsewhere-"));
  try {
    execFileSync("cp", ["-a", folder, join(home, "copy")]);
    using other = await FileContentStore.open({ folder: join(home, "store"), clock: systemClock });
    return (await other.stage({ executionId: randomExecutionId(), folder: join(home, "copy"), bytesMax: 10 * MIB }, noSignal)).cid;
  } finally {
    rmSync(home, { recursive: true });
  }
}
