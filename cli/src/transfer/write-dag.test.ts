import { lstat, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, buildSymlink } from "@skrei/unixfs/file-dag.ts";
import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { createHash } from "node:crypto";
import type { CID } from "multiformats/cid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readCar } from "./car-reader.ts";
import { writeDag } from "./write-dag.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skrei-write-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Collects blocks; a root's CAR is made parents first. */
class Store {
  readonly blocks: { cid: CID; bytes: Uint8Array }[] = [];
  readonly emit = (cid: CID, bytes: Uint8Array): void => void this.blocks.unshift({ cid, bytes });

  file(...chunks: readonly string[]): DagEntry {
    const leaves = chunks.map((text) => {
      const bytes = new TextEncoder().encode(text);
      const cid = rawCid(createHash("sha256").update(bytes).digest());
      if (!this.blocks.some((block) => block.cid.equals(cid))) this.blocks.push({ cid, bytes });
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

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

/** The bytes of a CAR, one at a time, so that every cut is met. */
async function* carOf(blocks: readonly { cid: CID; bytes: Uint8Array }[]): AsyncGenerator<Uint8Array> {
  const sections = blocks.map(({ cid, bytes }) => Buffer.concat([varint(cid.bytes.length + bytes.length), cid.bytes, bytes]));
  for (const byte of Buffer.concat([varint(3), Buffer.from("hdr"), ...sections])) yield Uint8Array.of(byte);
}

async function refusalOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "accepted",
    (error: unknown) => (error instanceof DomainError ? `${error.reason} ${error.message}` : Promise.reject(error)),
  );
}

test("writes files of several chunks, folders, links and a chunk that occurs twice but came once", async () => {
  const store = new Store();
  const root = store.folder({
    a: store.file("one ", "two ", "one "),
    deep: store.folder({ b: store.file("one ") }),
    link: buildSymlink("deep/b", store.emit),
  });
  const to = join(folder, "out");
  const written = await writeDag(root.cid, to, readCar(carOf(store.blocks)));
  expect(written).toMatchObject({ files: 2, sizeBytes: 16, refusedLinks: [] });
  expect(await readFile(join(to, "a"), "utf8")).toBe("one two one ");
  expect(await readFile(join(to, "link"), "utf8")).toBe("one ");
});

test("refuses a block whose bytes are others than its content id says", async () => {
  const store = new Store();
  const root = store.folder({ a: store.file("good") });
  const blocks = store.blocks.map(({ cid, bytes }) => ({ cid, bytes: cid.code === 0x55 ? new TextEncoder().encode("evil") : bytes }));
  expect(await refusalOf(writeDag(root.cid, join(folder, "out"), readCar(carOf(blocks))))).toMatch(
    /^RESULT_CORRUPT .*does not match its content id/u,
  );
});

test("refuses a download that ends early, in a block or between two", async () => {
  const store = new Store();
  const root = store.folder({ a: store.file("x", "y") });
  expect(await refusalOf(writeDag(root.cid, join(folder, "one"), readCar(carOf(store.blocks.slice(0, -1)))))).toMatch(/lacks 1 block/u);
  async function* cut(): AsyncGenerator<Uint8Array> {
    const bytes: Uint8Array[] = [];
    for await (const byte of carOf(store.blocks)) bytes.push(byte);
    yield Buffer.concat(bytes.slice(0, -1));
  }
  expect(await refusalOf(writeDag(root.cid, join(folder, "two"), readCar(cut())))).toMatch(/in the middle of a block/u);
});

test("refuses entries whose names lead out of the folder", async () => {
  for (const name of ["..", "a/b", ".", ""]) {
    const store = new Store();
    const root = store.folder({ [name]: store.file("x") });
    expect(await refusalOf(writeDag(root.cid, join(folder, "out"), readCar(carOf(store.blocks))))).toMatch(
      /^RESULT_CORRUPT .*an entry named/u,
    );
    await rm(join(folder, "out"), { recursive: true, force: true });
  }
});

test("leaves out links that lead out of the folder, and writes nothing through a link", async () => {
  const store = new Store();
  const root = store.folder({
    absolute: buildSymlink("/etc/passwd", store.emit),
    up: buildSymlink("../../x", store.emit),
    inside: buildSymlink("./b", store.emit),
    b: store.file("x"),
  });
  const to = join(folder, "out");
  const { refusedLinks } = await writeDag(root.cid, to, readCar(carOf(store.blocks)));
  expect(refusedLinks.toSorted()).toEqual(["absolute", "up"]);
  expect((await readdir(to)).toSorted()).toEqual(["b", "inside"]);
  expect((await lstat(join(to, "inside"))).isSymbolicLink()).toBe(true);
  expect(await readlink(join(to, "inside"))).toBe("./b");
});

test("leaves out links that only lead out by way of other links, or once their folder is somewhere else", async () => {
  const store = new Store();
  const out = store.folder({
    sibling: buildSymlink("../../stdout", store.emit),
    own: buildSymlink("./file", store.emit),
    file: store.file("y"),
  });
  const root = store.folder({
    deep: store.folder({ er: store.folder({ top: buildSymlink("../..", store.emit) }) }),
    sly: buildSymlink("deep/er/top/../../etc/passwd", store.emit),
    stdout: store.file("x"),
    outputs: store.folder({ out }),
  });
  const to = join(folder, "out");
  const kept = join(to, "outputs", "out");
  const { refusedLinks } = await writeDag(root.cid, to, readCar(carOf(store.blocks)), { kept });
  expect(refusedLinks.toSorted()).toEqual(["outputs/out/sibling", "sly"]);
  expect((await readdir(kept)).toSorted()).toEqual(["file", "own"]);
  expect(await readlink(join(to, "deep/er/top"))).toBe("../..");
});

test("does not write blocks that nobody asked for", async () => {
  const store = new Store();
  const root = store.folder({ a: store.file("x") });
  store.file("stranger");
  const to = join(folder, "out");
  expect((await writeDag(root.cid, to, readCar(carOf(store.blocks)))).files).toBe(1);
  expect(await readdir(to)).toEqual(["a"]);
});
