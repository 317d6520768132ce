import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@skrei/platform/clock.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DirectoryCache } from "./adapters/directory-cache.ts";
import type { Clock } from "./ports.ts";

const MIB = 1_048_576;
let folder: string;
let stack: AsyncDisposableStack;
let nowMs: number;
const clock: Clock = { nowMs: () => nowMs, sleep: systemClock.sleep };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-limits-"));
  stack = new AsyncDisposableStack();
  nowMs = 1_000_000_000_000;
});

afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

test("of many small entries those not used for longest go, never a leased one", async () => {
  const cache = await openCache({ entriesMax: 10 });
  for (let index = 0; index < 30; index++) {
    nowMs += 1;
    await put(cache, `k${index}`, 1);
    if (index === 2) await cache.lease("k2", "e-1");
    if (index === 7) await cache.lease("k0", "e-2");
    cache.release("e-2");
    expect(cache.state().entries).toBeLessThanOrEqual(10);
  }
  expect(["k0", "k2", "k1", "k28", "k29"].map((key) => cache.has(key))).toEqual([false, true, false, true, true]);
  expect(cache.state()).toMatchObject({ sizeBytes: cache.state().entries, pinnedEntries: 1 });
});

test("a disk that gets too full costs unused entries first, and then refuses what is on its way", async () => {
  mountSmallDisk(folder, 32);
  const cache = await openCache({ freeBytesMin: 8 * MIB });
  await put(cache, "old", 6 * MIB);
  nowMs += 1;
  await put(cache, "new", 6 * MIB);
  await cache.lease("new", "e-1");
  // 20 MiB are free, 8 stay so.
  await put(cache, "third", 14 * MIB);
  expect([cache.has("old"), cache.has("new")]).toEqual([false, true]);
  await cache.lease("third", "e-1");
  const { freeBytes } = cache.state();
  await expect(put(cache, "fourth", 8 * MIB)).rejects.toMatchObject({ reason: "CACHE_FULL", metadata: { freeBytesMin: String(8 * MIB) } });
  expect(cache.state()).toMatchObject({ entries: 2, freeBytes, freeBytesMin: 8 * MIB });
});

test("the disk is looked at while a download goes on, for others write too", async () => {
  mountSmallDisk(folder, 32);
  const cache = await openCache({ freeBytesMin: 8 * MIB });
  await using reservation = cache.reserve();
  reservation.cover(4 * MIB);
  writeFileSync(join(folder, "others"), Buffer.alloc(26 * MIB));
  nowMs += 1_000;
  expect(() => reservation.cover(3 * MIB)).toThrow(expect.objectContaining({ reason: "CACHE_FULL" }) as Error);
});

test("a disk that is full to the last byte gives CACHE_FULL, and nothing half", async () => {
  mountSmallDisk(folder, 8);
  const { createStorageFetcherService } = await import("./service.ts");
  const { StorageFetcherConfig } = await import("./config.ts");
  const body = randomBytes(16 * MIB);
  const origin = createServer((_, response) => void response.end(body)).listen(0, "127.0.0.1");
  stack.defer(() => {
    origin.closeAllConnections();
    origin.close();
  });
  await once(origin, "listening");
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/`;
  const config = StorageFetcherConfig.parse({ dataFolder: folder, allowedPrivateCidrs: ["127.0.0.1/32"], freeBytesMin: 0 });
  const service = createStorageFetcherService(config, { logger: silentLogger });
  await service.start();
  stack.defer(async () => await service.stop("test over"));
  const { createRouterTransport } = await import("@connectrpc/connect");
  const { createClient } = await import("@skrei/platform/client.ts");
  const { clientErrors, serverErrors } = await import("@skrei/platform/error-interceptor.ts");
  const { FetchService } = await import("@skrei/proto/skrei/data/v1/fetch_service_pb.ts");
  const transport = clientErrors(createRouterTransport(service.routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
  const source = { case: "http" as const, value: { url, sha256: "" } };
  const fetching = async (): Promise<void> => {
    for await (const _ of createClient(FetchService, transport).fetchInput({
      leaseId: "e",
      input: { target: "/i", source },
      bytesMax: 10n ** 9n,
    }));
  };
  await expect(fetching()).rejects.toMatchObject({ kind: "exhausted", reason: "CACHE_FULL" });
  for (const name of ["scratch", "entries", "partial"]) expect(readdirSync(join(folder, "cache", name))).toEqual([]);
});

test.each<readonly [string, (path: string) => void]>([
  ["a flipped bit", flipBit],
  ["a cut end", (path) => truncateSync(path, 10)],
  ["another mode", (path) => chmodSync(path, 0o755)],
  ["a removed file", (path) => rmSync(path)],
])("an entry with %s is not given out", async (_, damage) => {
  const changed: string[] = [];
  const cache = await openCache({ onChanged: (key) => changed.push(key) });
  await put(cache, "data", 1_000);
  const entry = await cache.lease("data", "e-1");
  cache.release("e-1");
  damage(entry?.path ?? "");
  expect(await cache.lease("data", "e-2")).toBeUndefined();
  expect(changed).toEqual(["data"]);
  expect(cache.state()).toMatchObject({ entries: 0, pinnedEntries: 0 });
});

test("a damaged file deep in a large entry is found at the next start, and within a minute", async () => {
  const cache = await openCache();
  await putMany(cache, "many", 1_000);
  const { path = "" } = (await cache.lease("many", "e-1")) ?? {};
  flipBit(join(path, "f500"));
  nowMs += 60_000;
  expect(await cache.lease("many", "e-2")).toBeUndefined();
  await putMany(cache, "again", 1_000);
  flipBit(join((await cache.lease("again", "e-3"))?.path ?? "", "f1"));
  cache[Symbol.dispose]();
  expect(await (await openCache()).lease("again", "e-4")).toBeUndefined();
});

test("a large entry is walked once a minute, not by each job that uses it", async () => {
  const cache = await openCache();
  await putMany(cache, "many", 1_000);
  const { path = "" } = (await cache.lease("many", "e-1")) ?? {};
  flipBit(join(path, "f500"));
  expect(await cache.lease("many", "e-2")).toBeDefined();
  writeFileSync(join(path, "new"), "a name more shows at the root");
  expect(await cache.lease("many", "e-3")).toBeUndefined();
});

test("a part whose files are links outlives its input, and then takes the room itself", async () => {
  const cache = await openCache({ bytesMax: 3 * MIB });
  await put(cache, "base", 2 * MIB);
  const { path = "" } = (await cache.lease("base", "e-1")) ?? {};
  expect([cache.owns(path), cache.owns(folder), cache.owns(join(path, "below"))]).toEqual([true, false, false]);
  {
    await using reservation = cache.reserve();
    linkSync(path, reservation.path);
    await cache.commit("part", reservation, { sizeBytes: 2 * MIB, shared: { path, sizeBytes: 2 * MIB } });
  }
  expect(cache.state()).toMatchObject({ entries: 2, sizeBytes: 2 * MIB });
  await cache.lease("part", "e-2");
  cache.release("e-1");
  // The input could go, but would leave no room while its part is in use.
  await expect(put(cache, "other", 2 * MIB)).rejects.toMatchObject({ reason: "CACHE_FULL" });
  expect(cache.has("base")).toBe(true);
  rmSync(path);
  expect(await cache.lease("base", "e-3")).toBeUndefined();
  expect(cache.state()).toMatchObject({ entries: 1, sizeBytes: 2 * MIB });
  expect(readFileSync((await cache.lease("part", "e-4"))?.path ?? "").length).toBe(2 * MIB);
});

test("half downloads count, make room first, and are gone after a day", async () => {
  const cache = await openCache({ bytesMax: 20 * MIB });
  await putHalf(cache, "one", 8 * MIB);
  nowMs += 1;
  await putHalf(cache, "two", 8 * MIB);
  await put(cache, "entry", 10 * MIB);
  expect(readdirSync(join(folder, "partial")).length).toBe(1);
  {
    await using again = cache.reserve("two");
    expect(again.partial?.found).toEqual({ sizeBytes: 8 * MIB, validators: { etag: '"1"', lastModified: "" } });
  }
  nowMs += 86_400_001;
  await using _ = cache.reserve("other");
  expect(readdirSync(join(folder, "partial"))).toEqual([]);
});

test("what no row tells of is swept at the start", async () => {
  const cache = await openCache();
  await putHalf(cache, "kept", 1_000);
  cache[Symbol.dispose]();
  for (const name of ["partial", "scratch", "entries"]) writeFileSync(join(folder, name, "orphan"), "half");
  await openCache();
  expect(["partial", "scratch", "entries"].map((name) => readdirSync(join(folder, name)).length)).toEqual([1, 0, 0]);
});

async function openCache(more: Partial<Parameters<typeof DirectoryCache.open>[0]> = {}): Promise<DirectoryCache> {
  const cache = await DirectoryCache.open({ folder, bytesMax: 1_000 * MIB, freeBytesMin: 0, clock, onChanged: () => undefined, ...more });
  return stack.use(cache);
}

async function put(cache: DirectoryCache, key: string, sizeBytes: number): Promise<void> {
  await using reservation = cache.reserve();
  reservation.cover(sizeBytes);
  writeFileSync(reservation.path, Buffer.alloc(sizeBytes));
  await cache.commit(key, reservation, { sizeBytes });
}

async function putMany(cache: DirectoryCache, key: string, count: number): Promise<void> {
  await using reservation = cache.reserve();
  mkdirSync(reservation.path);
  for (let at = 0; at < count; at++) writeFileSync(join(reservation.path, `f${at}`), createHash("sha256").update(String(at)).digest());
  await cache.commit(key, reservation, { sizeBytes: count * 32 });
}

async function putHalf(cache: DirectoryCache, name: string, sizeBytes: number): Promise<void> {
  await using reservation = cache.reserve(name);
  reservation.cover(sizeBytes);
  writeFileSync(reservation.path, Buffer.alloc(sizeBytes));
  reservation.partial?.keep(sizeBytes, { etag: '"1"', lastModified: "" });
}

function flipBit(path: string): void {
  const first = readFileSync(path)[0] ?? 0;
  chmodSync(path, 0o644);
  writeSync(openSync(path, "r+"), Buffer.of(first ^ 1), 0, 1, 0);
  chmodSync(path, 0o444);
}

/** A file system of its own, so that it can be full; the tests of this folder run as root. */
function mountSmallDisk(path: string, mib: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m`, "tmpfs", path]);
  stack.defer(() => void execFileSync("umount", ["--lazy", path]));
  expect(statfsSync(path).blocks * statfsSync(path).bsize).toBe(mib * MIB);
}
