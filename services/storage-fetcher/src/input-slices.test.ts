import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import type { InputPartition } from "@skrei/domain";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { inputSourceToProto } from "@skrei/wire/input-source.ts";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StorageFetcherConfig } from "./config.ts";
import { createStorageFetcherService, type StorageFetcherService } from "./service.ts";

let folder: string;
let data: string;
let fetcher: StorageFetcherService;
let leases = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-slices-"));
  data = join(folder, "data");
  mkdirSync(data);
  const config = { dataFolder: join(folder, "node"), allowedLocalPaths: [data], freeBytesMin: 0 };
  fetcher = createStorageFetcherService(StorageFetcherConfig.parse(config), { logger: silentLogger });
  await fetcher.start();
});

afterEach(async () => {
  await fetcher.stop("test over");
  rmSync(folder, { recursive: true, force: true });
});

const LINES: InputPartition = { by: "lines", headerLines: 0, glob: "" };

test("lines are divided in about equal bytes, none is cut, and all partitions together are the whole", async () => {
  const text = fc.array(fc.constantFrom("a", "bcd", "\n", "\r\n", "\r", "é"), { maxLength: 40 }).map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 6 }), async (content, count) => {
      const parts = await partsOfInline(content, LINES, count);
      expect(parts.join("")).toBe(content);
      const lines = content.match(/[^\n]*\n|[^\n]+$/gu) ?? [];
      expect(parts.flatMap((part) => part.match(/[^\n]*\n|[^\n]+$/gu) ?? [])).toEqual(lines);
      expect(await partsOfInline(content, LINES, count)).toEqual(parts);
    }),
    { numRuns: 40 },
  );
}, 60_000);

test("bytes are cut at multiples of the record", async () => {
  const content = "x".repeat(103);
  const parts = await partsOfInline(content, { by: "bytes", recordBytes: 10, glob: "" }, 4);
  expect(parts.join("")).toBe(content);
  expect(parts.map(({ length }) => length)).toEqual([20, 30, 20, 33]);
});

test("header lines go to every partition that has lines of the file, and to one that has nothing else", async () => {
  const header: InputPartition = { by: "lines", headerLines: 1, glob: "" };
  writeFileSync(join(data, "a.csv"), "id\n1\n2\n3\n4\n");
  writeFileSync(join(data, "b.csv"), "id\n");
  const trees = [await treeOf(data, header, [0, 2]), await treeOf(data, header, [1, 2])];
  expect(trees).toEqual([{ "a.csv": "id\n1\n2\n" }, { "a.csv": "id\n3\n4\n", "b.csv": "id\n" }]);
});

test("what a partition got is listed, with where its pieces begin", async () => {
  for (const name of ["one", "three", "two"]) writeFileSync(join(data, name), `${name}\n`.repeat(2));
  const { filesPath } = await fetchLocal(data, LINES, [1, 2]);
  expect(JSON.parse(readFileSync(filesPath, "utf8"))).toEqual({
    files: [
      { path: "three", sizeBytes: 6, offset: 6, sourceBytes: 12 },
      { path: "two", sizeBytes: 8 },
    ],
    count: 2,
    isCut: false,
  });
  const all = await fetchLocal(data, LINES, [0, 1]);
  expect(all.path).toBe(data);
  expect(JSON.parse(readFileSync(all.filesPath, "utf8"))).toMatchObject({ count: 3 });
});

test("whole files go in turn, and a glob leaves the others out", async () => {
  mkdirSync(join(data, "sub"));
  for (const name of ["a.csv", "b.txt", "sub/c.csv", "sub/d.csv"]) writeFileSync(join(data, name), name);
  const files: InputPartition = { by: "files", glob: "**/*.csv" };
  expect(await treeOf(data, files, [0, 2])).toEqual({ "a.csv": "a.csv", "sub/d.csv": "sub/d.csv" });
  expect(await treeOf(data, files, [1, 2])).toEqual({ "sub/c.csv": "sub/c.csv" });
  expect(await treeOf(data, files, [0, 1])).toEqual({ "a.csv": "a.csv", "sub/c.csv": "sub/c.csv", "sub/d.csv": "sub/d.csv" });
  expect(await treeOf(data, files, [7, 9])).toEqual({});
});

test("a single file without a name of its own is called as its target is", async () => {
  const partition: InputPartition = { by: "files", glob: "*.csv" };
  const partOf = async (target: string) => {
    const source = { type: "inline", dataBase64: Buffer.from("1,2\n").toString("base64") } as const;
    const input = inputSourceToProto({ alias: "", target, source, partition });
    const { path, filesPath } = await ready({ input, partitionIndex: 0, partitionCount: 2, bytesMax: 1_000n });
    return { text: readFileSync(path, "utf8"), list: JSON.parse(readFileSync(filesPath, "utf8")) as unknown };
  };
  const files = [{ path: "orders.csv", sizeBytes: 4 }];
  expect(await partOf("/in/orders.csv")).toEqual({ text: "1,2\n", list: { files, count: 1, isCut: false } });
  expect(await partOf("/in/orders.txt")).toEqual({ text: "", list: { files: [], count: 0, isCut: false } });
});

test("a changed folder of the node is divided anew, and its files stay the node's", async () => {
  writeFileSync(join(data, "a"), "one\ntwo\n", { mode: 0o640 });
  writeFileSync(join(data, "b"), "three\n", { mode: 0o640 });
  const files: InputPartition = { by: "files", glob: "" };
  expect(await treeOf(data, files, [0, 2])).toEqual({ a: "one\ntwo\n" });
  expect(lstatSync(join(data, "a"))).toMatchObject({ nlink: 1, mode: 0o100640 });
  writeFileSync(join(data, "a"), "changed");
  expect(await treeOf(data, files, [0, 2])).toEqual({ a: "changed" });
});

test("links are given out as links, never followed", async () => {
  writeFileSync(join(data, "a"), "a\nb\n");
  symlinkSync("/etc/passwd", join(data, "z-link"));
  const { path } = await fetchLocal(data, LINES, [1, 2]);
  expect(readdirSync(path)).toEqual(["a", "z-link"]);
  expect(lstatSync(join(path, "z-link")).isSymbolicLink()).toBe(true);
});

test.each<readonly [string, InputPartition, () => void]>([
  ["a pipe", LINES, () => void execFileSync("mkfifo", [join(data, "pipe")])],
  ["a layout that is no date", { by: "date", dateFormat: "nothing", glob: "" }, () => undefined],
  ["a pattern that does not parse", { by: "regex", pattern: "(", glob: "" }, () => undefined],
])("%s is refused", async (_, partition, prepare) => {
  writeFileSync(join(data, "a"), "a");
  prepare();
  await expect(fetchLocal(data, partition, [0, 2])).rejects.toMatchObject({ kind: "invalid", reason: "SOURCE_NOT_DIVISIBLE" });
  expect(readdirSync(join(folder, "node", "cache", "scratch"))).toEqual([]);
});

test("a part larger than the task's disk is refused", async () => {
  writeFileSync(join(data, "a"), randomBytes(5_000));
  await expect(fetchLocal(data, { by: "bytes", recordBytes: 1, glob: "" }, [0, 2], 2_000n)).rejects.toMatchObject({
    reason: "SOURCE_TOO_LARGE",
  });
});

test("a part takes no room twice, and is cut once", async () => {
  const whole: InputPartition = { by: "files", glob: "" };
  const data64 = Buffer.from("x".repeat(400)).toString("base64");
  const first = await fetchInline(data64, whole, [0, 2]);
  const state = await client().getCacheState({});
  expect(state).toMatchObject({ entries: 2, sizeBytes: 400n + BigInt(readFileSync(first.filesPath).length) });
  expect(lstatSync(first.path)).toMatchObject({ nlink: 2, mode: 0o100444 });
  expect((await fetchInline(data64, whole, [0, 2])).path).toBe(first.path);
  expect(readFileSync((await fetchInline(data64, whole, [1, 2])).path, "utf8")).toBe("");
});

async function partsOfInline(content: string, partition: InputPartition, count: number): Promise<readonly string[]> {
  const parts = [];
  for (let index = 0; index < count; index++) {
    const { path } = await fetchInline(Buffer.from(content).toString("base64"), partition, [index, count]);
    parts.push(readFileSync(path, "utf8"));
  }
  return parts;
}

async function treeOf(path: string, partition: InputPartition, [index, count]: readonly [number, number]): Promise<Record<string, string>> {
  const ready = await fetchLocal(path, partition, [index, count]);
  const names = readdirSync(ready.path, { recursive: true, encoding: "utf8" }).filter((name) => lstatSync(join(ready.path, name)).isFile());
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(join(ready.path, name), "utf8")]));
}

async function fetchInline(
  dataBase64: string,
  partition: InputPartition,
  [index, count]: readonly [number, number],
): Promise<FetchInputResponse_Ready> {
  const input = inputSourceToProto({ alias: "", target: "/in", source: { type: "inline", dataBase64 }, partition });
  return await ready({ input, partitionIndex: index, partitionCount: count, bytesMax: 1_000_000n });
}

async function fetchLocal(
  path: string,
  partition: InputPartition,
  [index, count]: readonly [number, number],
  bytesMax = 1_000_000n,
): Promise<FetchInputResponse_Ready> {
  const input = inputSourceToProto({ alias: "", target: "/in", source: { type: "local", path }, partition });
  return await ready({ input, partitionIndex: index, partitionCount: count, bytesMax });
}

async function ready(
  request: Omit<Parameters<ReturnType<typeof client>["fetchInput"]>[0], "leaseId" | "$typeName">,
): Promise<FetchInputResponse_Ready> {
  for await (const { event } of client().fetchInput({ ...request, leaseId: `e-${leases++}` }))
    if (event.case === "ready") return event.value;
  throw new Error("the stream ended without a path");
}

function client(): ReturnType<typeof createClient<typeof FetchService>> {
  return createClient(
    FetchService,
    clientErrors(createRouterTransport(fetcher.routes, { router: { interceptors: [serverErrors(silentLogger)] } })),
  );
}
