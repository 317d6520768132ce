import { createHash } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { type ContentId, rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, buildSymlink, type DagEntry } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type BlockSource, keyOf } from "./block-source.ts";
import { asDiskError } from "./disk-error.ts";
import { compareTree } from "./compare-tree.ts";
import { type WrittenTree, writeTree } from "./write-tree.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skrei-write-"));
  mkdirSync(join(folder, "parts"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Blocks in memory, with a note of which were fetched. */
class Store implements BlockSource {
  readonly signal = new AbortController().signal;
  readonly fetched: string[] = [];
  /** Fetches after which nothing comes any more. */
  fetchesLeft = Number.POSITIVE_INFINITY;
  readonly #blocks = new Map<string, Uint8Array>();
  readonly emit = (cid: ContentId, bytes: Uint8Array): void => void this.#blocks.set(keyOf(cid), bytes);

  async fetch(cids: readonly ContentId[], take: (cid: ContentId, bytes: Uint8Array) => void): Promise<void> {
    for (const cid of cids) {
      const bytes = this.#blocks.get(keyOf(cid));
      if (bytes === undefined || this.fetchesLeft <= 0) throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", "cut");
      this.fetchesLeft -= 1;
      this.fetched.push(cid.code === 0x55 ? Buffer.from(bytes).toString() : "node");
      take(cid, bytes);
    }
  }

  leavesFetched(): string[] {
    return this.fetched.splice(0).filter((leaf) => leaf !== "node");
  }

  file(...chunks: readonly string[]): DagEntry {
    const leaves = chunks.map((text) => {
      const bytes = new TextEncoder().encode(text);
      const cid = rawCid(createHash("sha256").update(bytes).digest());
      this.emit(cid, bytes);
      return { cid, sizeBytes: bytes.length, dagBytes: bytes.length };
    });
    return buildFileDag(leaves, this.emit);
  }

  folder(entries: Readonly<Record<string, DagEntry>>): DagEntry {
    return buildFolderDag(
      Object.entries(entries).map(([name, entry]) => ({ ...entry, name })),
      this.emit,
    );
  }
}

function write(store: Store, root: DagEntry, existing: "replace" | "trust" = "replace", to = "out"): Promise<WrittenTree> {
  return writeTree(store, root.cid, join(folder, to), { partsFolder: join(folder, "parts"), existing, onBytes: () => undefined });
}

async function refusalOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "accepted",
    (error: unknown) => (error instanceof DomainError ? `${error.reason} ${error.message}` : Promise.reject(error)),
  );
}

async function differences(store: Store, root: DagEntry): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, path } of compareTree(store, root.cid, join(folder, "out"), { files: 0, sizeBytes: 0 }))
    found.push(`${kind} ${path.join("/")}`);
  return found.toSorted();
}

test("writes files of several chunks, folders, links and a chunk that occurs twice but comes once", async () => {
  const store = new Store();
  const root = store.folder({
    a: store.file("one ", "two ", "one "),
    deep: store.folder({ b: store.file("one "), empty: store.file("") }),
    link: buildSymlink("deep/b", store.emit),
  });
  expect(await write(store, root)).toEqual({ files: 3, sizeBytes: 16, keptFiles: 0, keptBytes: 0, refusedLinks: [] });
  expect(store.leavesFetched().toSorted()).toEqual(["", "one ", "two "]);
  expect(await readFile(join(folder, "out/a"), "utf8")).toBe("one two one ");
  expect(await readFile(join(folder, "out/deep/b"), "utf8")).toBe("one ");
  expect(await readlink(join(folder, "out/link"))).toBe("deep/b");
  expect(await readdir(join(folder, "parts"))).toEqual([]);
  expect(await differences(store, root)).toEqual([]);
  expect(store.leavesFetched()).toEqual([]);
});

test("a file has no name before it is whole, and what is cut after any block goes on with the others", async () => {
  const store = new Store();
  const root = store.folder({ a: store.file("one ", "two ", "three "), b: store.file("four") });
  for (let cutAfter = 0; cutAfter < 7; cutAfter++) {
    await rm(join(folder, "out"), { recursive: true, force: true });
    store.fetchesLeft = cutAfter;
    const first = await refusalOf(write(store, root));
    store.fetchesLeft = Number.POSITIVE_INFINITY;
    const before = store.leavesFetched();
    if (first !== "accepted") {
      const whole = await readdir(join(folder, "out")).catch(() => []);
      for (const name of whole) expect(await readFile(join(folder, "out", name), "utf8")).toMatch(/^one two three $|^four$/u);
      await write(store, root);
    }
    expect([...before, ...store.leavesFetched()].toSorted()).toEqual(["four", "one ", "three ", "two "]);
    expect(await readFile(join(folder, "out/a"), "utf8")).toBe("one two three ");
    expect(await readdir(join(folder, "parts"))).toEqual([]);
  }
});

test("what is there already is not fetched again, and of a file that differs only the blocks that do", async () => {
  const store = new Store();
  const root = store.folder({ a: store.file("one ", "two ", "three "), b: store.file("four") });
  await write(store, root);
  store.leavesFetched();
  writeFileSync(join(folder, "out/a"), "one TWO three and more");
  expect(await write(store, root)).toMatchObject({ files: 2, keptFiles: 1, keptBytes: 14, sizeBytes: 18 });
  expect(store.leavesFetched()).toEqual(["two "]);
  expect(await readFile(join(folder, "out/a"), "utf8")).toBe("one two three ");
});

test("a part that holds other bytes, or more than the file, is put right", async () => {
  const store = new Store();
  const root = store.folder({ a: store.file("one ", "two ", "three ") });
  store.fetchesLeft = 3;
  await refusalOf(write(store, root));
  store.fetchesLeft = Number.POSITIVE_INFINITY;
  const [part = ""] = await readdir(join(folder, "parts"));
  writeFileSync(join(folder, "parts", part), "one tXo ".padEnd(100, "?"));
  await write(store, root);
  expect(await readFile(join(folder, "out/a"), "utf8")).toBe("one two three ");
});

test("says what is missing, changed and extra, and fetches no leaf for it", async () => {
  const store = new Store();
  const root = store.folder({
    same: store.file("x"),
    changed: store.file("one ", "two "),
    gone: store.folder({ b: store.file("y") }),
    deep: store.folder({ c: store.file("z"), d: store.file("z") }),
    link: buildSymlink("same", store.emit),
    kind: store.file("k"),
  });
  await write(store, root);
  store.leavesFetched();
  const out = join(folder, "out");
  writeFileSync(join(out, "changed"), "one tWo ");
  await rm(join(out, "gone"), { recursive: true });
  await rm(join(out, "deep/d"));
  await rm(join(out, "link"));
  symlinkSync("changed", join(out, "link"));
  await rm(join(out, "kind"));
  mkdirSync(join(out, "kind"));
  writeFileSync(join(out, "deep/new"), "");
  expect(await differences(store, root)).toEqual([
    "changed changed",
    "changed kind",
    "changed link",
    "extra deep/new",
    "missing deep/d",
    "missing gone",
  ]);
  expect(store.leavesFetched()).toEqual([]);
});

test("refuses entries whose names lead out of the folder or are too long", async () => {
  for (const name of ["..", "a/b", ".", "", "x".repeat(256)]) {
    const store = new Store();
    expect(await refusalOf(write(store, store.folder({ [name]: store.file("x") })))).toMatch(/^RESULT_CORRUPT .*an entry named/u);
  }
});

test("writes names that are no plain text as they are", async () => {
  const store = new Store();
  const names = ["new\nline", "\u001B[31mred", " ", "-rf", "läs\u202Etxt", "x".repeat(255)];
  const root = store.folder(Object.fromEntries(names.map((name) => [name, store.file(name)])));
  await write(store, root);
  for (const name of names) expect(await readFile(join(folder, "out", name), "utf8")).toBe(name);
});

test("writes nothing through a link that stands where a folder or a file belongs", async () => {
  const store = new Store();
  const root = store.folder({ deep: store.folder({ a: store.file("new") }), file: store.file("new") });
  mkdirSync(join(folder, "elsewhere"));
  writeFileSync(join(folder, "victim"), "old");
  mkdirSync(join(folder, "out"));
  symlinkSync(join(folder, "elsewhere"), join(folder, "out/deep"));
  symlinkSync(join(folder, "victim"), join(folder, "out/file"));
  expect(await refusalOf(write(store, root, "trust"))).toMatch(/out\/deep exists already/u);
  await write(store, root, "replace");
  expect(await readdir(join(folder, "elsewhere"))).toEqual([]);
  expect(await readFile(join(folder, "victim"), "utf8")).toBe("old");
  expect((await lstat(join(folder, "out/deep"))).isDirectory()).toBe(true);
  expect((await lstat(join(folder, "out/file"))).isFile()).toBe(true);
});

test("leaves out links that lead out of the folder, straight or by way of other links", async () => {
  const store = new Store();
  const root = store.folder({
    absolute: buildSymlink("/etc/passwd", store.emit),
    up: buildSymlink("../../x", store.emit),
    inside: buildSymlink("./b", store.emit),
    b: store.file("x"),
    deep: store.folder({ er: store.folder({ top: buildSymlink("../..", store.emit), over: buildSymlink("../../../x", store.emit) }) }),
    sly: buildSymlink("deep/er/top/../../etc/passwd", store.emit),
  });
  const { refusedLinks } = await write(store, root);
  expect([...refusedLinks].toSorted()).toEqual(["absolute", "deep/er/over", "sly", "up"]);
  expect(await readlink(join(folder, "out/inside"))).toBe("./b");
  expect(await readlink(join(folder, "out/deep/er/top"))).toBe("../..");
});

test("writes 20,000 entries of a sharded folder, and a tree as deep as a result may be", async () => {
  const store = new Store();
  const names = Array.from({ length: 20_000 }, (_, index) => `file-${index}-${"x".repeat(30)}`);
  const content = store.file("same");
  let deep = store.folder({ end: store.file("end") });
  for (let depth = 0; depth < 200; depth++) deep = store.folder({ d: deep });
  const root = store.folder({ many: store.folder(Object.fromEntries(names.map((name) => [name, content]))), deep });
  expect(await write(store, root)).toMatchObject({ files: 20_001, sizeBytes: 80_003 });
  expect((await readdir(join(folder, "out/many"))).toSorted()).toEqual(names.toSorted());
  expect(await readFile(join(folder, "out/deep", ...Array.from({ length: 200 }, () => "d"), "end"), "utf8")).toBe("end");
  expect(await differences(store, root)).toEqual([]);
}, 120_000);

test.each([
  ["ENOSPC", /cannot be written: the disk is full/u, /Free some space, then run the same command again/u],
  ["EACCES", /cannot be written: permission is denied/u, /chmod u\+w/u],
  ["ENOENT", /cannot be written: the folder is gone, or the system takes none there/u, /another folder with --to/u],
  ["EROFS", /cannot be written: the file system is read-only/u, /--to/u],
])("%s of the disk says what to do", (code, message, hint) => {
  const error = asDiskError(Object.assign(new Error(code), { code }), "out/a");
  expect(error).toMatchObject({ message: expect.stringMatching(message), metadata: { hint: expect.stringMatching(hint) } });
});
