import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importer } from "ipfs-unixfs-importer";
import type { CID } from "multiformats/cid";
import { systemClock } from "@skrei/platform/clock.ts";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";
import { FileContentStore } from "./file-content-store.ts";

const MIB = 1_048_576;
const noSignal = new AbortController().signal;
let folder: string;
let store: FileContentStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "skrei-store-"));
  store = await openStore();
});

afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("stages a folder under the content id that the reference importer gives it", async () => {
  const big = randomBytes(2 * MIB + 7);
  const source = makeFolder({ stdout: "hello\n", stderr: "", exitCode: "0", "outputs/model/weights": big, "outputs/model/empty/": "" });
  const staged = await store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: 3 * MIB }, noSignal);
  const files = { stdout: Buffer.from("hello\n"), stderr: Buffer.alloc(0), exitCode: Buffer.from("0"), "outputs/model/weights": big };
  expect(staged.cid).toBe(await importFiles(files, ["outputs/model/empty"]));
  expect(staged.sizeBytes).toBe(big.length + 7);
  expect(staged.parts.map((part) => part.path).toSorted()).toEqual(["exitCode", "outputs", "outputs/model", "stderr", "stdout"]);
  expect(existsSync(source)).toBe(false);
});

test("gives the same answer when staging is repeated, also by another process after a crash", async () => {
  const executionId = randomExecutionId();
  const source = makeFolder({ stdout: "once" });
  const request = { executionId, folder: source, bytesMax: MIB };
  const [first, twin] = await Promise.all([store.stage(request, noSignal), store.stage(request, noSignal)]);
  expect(twin).toEqual(first);
  await reopen();
  expect(await store.stage(request, noSignal)).toEqual(first);
  expect(Buffer.from(await readAll(first.cid)).toString()).toContain("once");
});

test("takes up a folder that was moved in but not indexed before a crash", async () => {
  const executionId = randomExecutionId();
  const source = makeFolder({ stdout: "half" });
  const home = join(folder, "store", "results", executionId);
  execFileSync("mv", [source, home]);
  await reopen();
  expect(store.findStaged(executionId)).toBeUndefined();
  const staged = await store.stage({ executionId, folder: source, bytesMax: MIB }, noSignal);
  expect(staged.sizeBytes).toBe(4);
});

test("records symlinks and leaves out FIFOs and sockets, without following or stalling", async () => {
  const source = makeFolder({ "outputs/data/real": "x" });
  symlinkSync("/etc/passwd", join(source, "outputs/data/link"));
  execFileSync("mkfifo", [join(source, "outputs/data/pipe")]);
  chmodSync(join(source, "outputs/data/real"), 0o4755);
  const executionId = randomExecutionId();
  const staged = await store.stage({ executionId, folder: source, bytesMax: MIB }, noSignal);
  expect(staged.skippedPaths).toEqual(["outputs/data/pipe"]);
  expect(staged.sizeBytes).toBe(1);
  expect((await readAll(staged.cid)).includes("/etc/passwd")).toBe(true);
  const sealed = join(folder, "store", "results", executionId, "outputs/data/real");
  expect(statSync(sealed).mode & 0o7777).toBe(0o444);
});

test("keeps names with line ends and escapes, and leaves out those that are not UTF-8", async () => {
  const source = makeFolder({ "outputs/a\nb": "1", "outputs/\u001b[31mred": "2" });
  writeFileSync(Buffer.concat([Buffer.from(`${join(source, "outputs")}/`), Buffer.from([0x66, 0xff, 0xfe])]), "3");
  const staged = await store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: MIB }, noSignal);
  expect(staged.cid).toBe(await importFiles({ "outputs/a\nb": Buffer.from("1"), "outputs/\u001b[31mred": Buffer.from("2") }, []));
  expect(staged.skippedPaths.length).toBe(1);
});

test("refuses a folder that is nested too deeply", async () => {
  const source = makeFolder({ [`${"d/".repeat(300)}file`]: "x" });
  await expect(store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: MIB }, noSignal)).rejects.toMatchObject({
    reason: "RESULT_TOO_LARGE",
  });
});

test("refuses a folder with a path too long to be read again, gives it back, and takes what follows", async () => {
  const executionId = randomExecutionId();
  const source = makeFolder({ stdout: "ok" });
  const script = `for i in $(seq 200); do mkdir ${"n".repeat(100)} && cd -P ${"n".repeat(100)}; done; echo x > file`;
  execFileSync("bash", ["-c", script], { cwd: source });
  const staging = store.stage({ executionId, folder: source, bytesMax: MIB }, noSignal);
  await expect(staging).rejects.toMatchObject({ reason: "RESULT_TOO_LARGE" });
  expect(readdirSync(source)).toContain("stdout");
  await removeTree(source);
  expect(existsSync(source)).toBe(false);
});

test("reads nothing from elsewhere while names are swapped for links under it", { timeout: 60_000 }, async () => {
  const secret = "the secret of another tenant";
  writeFileSync(join(folder, "secret"), secret);
  mkdirSync(join(folder, "secrets"));
  writeFileSync(join(folder, "secrets", "file"), secret);
  for (let round = 0; round < 10; round++) {
    const executionId = randomExecutionId();
    const source = makeFolder(Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`outputs/${index}/file`, "mine"])));
    const home = join(folder, "store", "results", executionId);
    const script = `while [ ! -e ${home} ]; do :; done; cd ${home}/outputs; while :; do for i in 20 50 80; do ln -sfn ${folder}/secret $i/file; mv $i old-$i; ln -sfn ${folder}/secrets $i; rm -f $i; mv old-$i $i; rm -f $i/file; printf mine > $i/file; done; done 2>/dev/null`;
    const attacker = spawn("sh", ["-c", script], { stdio: "ignore" });
    try {
      const staged = await store.stage({ executionId, folder: source, bytesMax: MIB }, noSignal);
      for await (const { cid } of store.list(staged.cid))
        expect(Buffer.from(await store.get(cid).catch(() => Buffer.alloc(0))).includes(secret)).toBe(false);
    } finally {
      attacker.kill("SIGKILL");
    }
  }
});

test("refuses a folder over its limit without reading it all, and gives it back", async () => {
  const source = makeFolder({ stdout: "ok", "outputs/sparse": "" });
  truncateSync(join(source, "outputs/sparse"), 1e12);
  const staging = store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: MIB }, noSignal);
  await expect(staging).rejects.toMatchObject({ reason: "RESULT_TOO_LARGE" });
  expect(readdirSync(source).toSorted()).toEqual(["outputs", "stdout"]);
  expect(readdirSync(join(folder, "store", "results"))).toEqual([]);
});

test("gives a refused folder back though a name in it is not UTF-8", async () => {
  const source = makeFolder({ stdout: "ok", "outputs/large": "x".repeat(MIB) });
  mkdirSync(Buffer.concat([Buffer.from(`${join(source, "outputs")}/`), Buffer.from([0x66, 0xff, 0xfe])]));
  const staging = store.stage({ executionId: randomExecutionId(), folder: source, bytesMax: 1_000 }, noSignal);
  await expect(staging).rejects.toMatchObject({ reason: "RESULT_TOO_LARGE" });
  expect(readdirSync(source).toSorted()).toEqual(["outputs", "stdout"]);
});

test("says when there is no folder", async () => {
  const staging = store.stage({ executionId: randomExecutionId(), folder: join(folder, "nowhere"), bytesMax: MIB }, noSignal);
  await expect(staging).rejects.toMatchObject({ reason: "RESULT_FOLDER_MISSING" });
});

test("keeps blocks that a pinned root shares with a dropped result", async () => {
  const shared = randomBytes(2 * MIB);
  const first = await stageFolder({ "outputs/a": shared });
  const second = await stageFolder({ "outputs/b": shared });
  await store.pin(second.cid, { owner: "upload" }, noSignal);
  await store.drop(first.executionId);
  await store.drop(second.executionId);
  expect((await readAll(second.cid)).length).toBeGreaterThan(2 * MIB);
  await expect(store.get(first.cid)).rejects.toMatchObject({ reason: "BLOCK_MISSING" });
  expect(readdirSync(join(folder, "store", "results"))).toEqual([]);
});

test("keeps one of two results with the same content when the other is dropped", async () => {
  const first = await stageFolder({ stdout: "same" });
  const second = await stageFolder({ stdout: "same" });
  expect(second.cid).toBe(first.cid);
  await store.drop(first.executionId);
  expect(await readAll(second.cid)).toContain("same");
  expect(store.isBelow(second.cid, second.cid)).toBe(true);
  await store.drop(second.executionId);
  expect(store.missing([first.cid])).toEqual([first.cid]);
});

test("never serves a file that was changed on the disk", async () => {
  const staged = await stageFolder({ stdout: "honest" });
  const path = join(folder, "store", "results", staged.executionId, "stdout");
  chmodSync(path, 0o644);
  writeFileSync(path, "forged");
  await expect(readAll(staged.cid)).rejects.toMatchObject({ reason: "RESULT_CORRUPT", kind: "corrupt" });
});

test("reads a block from a sound result though others that repeat it are damaged", async () => {
  const large = "x".repeat(6 * MIB);
  const executionIds = [randomExecutionId(), randomExecutionId(), randomExecutionId()];
  let cid = "";
  for (const executionId of executionIds)
    ({ cid } = await store.stage({ executionId, folder: makeFolder({ large }), bytesMax: 10 * MIB }, noSignal));
  for (const executionId of executionIds.slice(0, 2)) {
    const path = join(folder, "store", "results", executionId, "large");
    chmodSync(path, 0o644);
    truncateSync(path, 0);
  }
  for await (const block of store.list(cid)) expect((await store.get(block.cid)).length).toBe(block.sizeBytes);
});

test("takes blocks only under their own hash, and pins a root only when all of it is there", async () => {
  const staged = await stageFolder({ "outputs/a": randomBytes(3 * MIB), stdout: "x" });
  const blocks = [];
  for await (const { cid } of store.list(staged.cid)) blocks.push({ cid, data: await store.get(cid) });
  const other = await FileContentStore.open({ folder: join(folder, "other"), freeBytesMin: 0, clock: systemClock });
  try {
    const [root, next, ...rest] = blocks;
    await expect(other.put([{ cid: root?.cid ?? "", data: next?.data ?? Buffer.alloc(0) }])).rejects.toMatchObject({
      reason: "BLOCK_HASH_MISMATCH",
    });
    await other.put([...rest, ...(root === undefined ? [] : [root])]);
    await expect(other.pin(staged.cid, { owner: "upload" }, noSignal)).rejects.toMatchObject({ reason: "BLOCK_MISSING" });
    expect(other.missing(blocks.map(({ cid }) => cid))).toEqual([next?.cid]);
    await other.put(blocks);
    await other.pin(staged.cid, { owner: "upload" }, noSignal);
    expect((await other.collectGarbage(all(), noSignal)).blocks).toBe(0);
    await other.put([{ cid: "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4", data: Buffer.from("hello world\n") }]);
    expect((await other.collectGarbage(all(), noSignal)).blocks).toBe(1);
  } finally {
    other[Symbol.dispose]();
  }
});

test("stages ten thousand small files and finds each again", { timeout: 60_000 }, async () => {
  const files = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, index) => [`outputs/many/file-${index}-with-a-long-name`, `content ${index}`]),
  );
  const staged = await stageFolder(files);
  const buffers = Object.fromEntries(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]));
  expect(staged.cid).toBe(await importFiles(buffers, []));
  let blocks = 0;
  for await (const { sizeBytes } of store.list(staged.cid)) blocks += Number(sizeBytes > 0);
  expect(blocks).toBeGreaterThan(10_000);
});

async function openStore(): Promise<FileContentStore> {
  return await FileContentStore.open({ folder: join(folder, "store"), freeBytesMin: 0, clock: systemClock });
}

async function reopen(): Promise<void> {
  store[Symbol.dispose]();
  store = await openStore();
}

async function stageFolder(files: Readonly<Record<string, string | Buffer>>): Promise<Awaited<ReturnType<FileContentStore["stage"]>>> {
  return await store.stage({ executionId: randomExecutionId(), folder: makeFolder(files), bytesMax: 100 * MIB }, noSignal);
}

/** Every block below a root as one text: enough to look for content. */
async function readAll(cid: string): Promise<string> {
  const blocks: Uint8Array[] = [];
  for await (const { cid: below } of store.list(cid)) blocks.push(await store.get(below));
  return Buffer.concat(blocks).toString("latin1");
}

function makeFolder(files: Readonly<Record<string, string | Buffer>>): string {
  const root = mkdtempSync(join(folder, "result-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path.endsWith("/") ? path : join(path, "..")), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(join(root, path), content);
  }
  return root;
}

async function importFiles(files: Readonly<Record<string, Buffer>>, folders: readonly string[]): Promise<string> {
  const candidates = [
    ...folders.map((path) => ({ path: `root/${path}` })),
    ...Object.entries(files).map(([path, content]) => ({ path: `root/${path}`, content })),
  ];
  const blockstore = { put: async (cid: CID) => cid, get: async () => Promise.reject(new Error("not needed")) };
  let root = "";
  for await (const entry of importer(candidates, blockstore as never, { profile: "unixfs-v1-2025" }))
    if (entry.path === "root") root = entry.cid.toString();
  return root;
}

/** A collection that spares nothing for its youth. */
function all(): { readonly isDryRun: false; readonly nowMs: number; readonly olderThanMs: number } {
  return { isDryRun: false, nowMs: Date.now(), olderThanMs: Date.now() + 1_000 };
}
