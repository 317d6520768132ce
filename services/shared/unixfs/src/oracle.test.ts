import { hash } from "node:crypto";
import fc from "fast-check";
import { importer, type ImportCandidate } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced } from "ipfs-unixfs-importer/layout";
import type { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { rawCid } from "./cid.ts";
import { buildFileDag, type DagEntry } from "./file-dag.ts";
import { buildFolderDag } from "./folder-dag.ts";
import { readFile, resolvePath, walkDag } from "./read-dag.ts";
import { listFolder } from "./read-folder.ts";

type Tree = { readonly [name: string]: Tree | Uint8Array };

const CHUNK_BYTES = 16;
const LINKS_MAX = 4;

const nameOf = fc
  .string({ unit: "binary", minLength: 1, maxLength: 12 })
  .filter((name) => !/[/\0\ud800-\udfff]/u.test(name) && !/^\.+$/u.test(name) && name.trim() === name && !name.includes("\\"));
const { tree: treeOf } = fc.letrec<{ tree: Tree; entry: Tree | Uint8Array }>((tie) => ({
  tree: fc.dictionary(nameOf, tie("entry"), { maxKeys: 6, noNullPrototype: true }),
  entry: fc.oneof({ depthSize: "small" }, fc.uint8Array({ maxLength: 400 }), tie("tree")),
}));

test("builds the same content ids as the reference importer for random trees", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(treeOf, async (tree) => {
      const store = new Map<string, Uint8Array>();
      expect(buildTree(tree, store).cid.toString()).toBe(await importTree(tree));
    }),
    { numRuns: 150 },
  );
});

test("shards large folders as the reference importer does, and finds every name again", { timeout: 60_000 }, async () => {
  const tree = {
    folder: Object.fromEntries(
      Array.from({ length: 6_000 }, (_, index) => [`a file with quite some name ${index}`, Buffer.from(String(index))]),
    ),
  };
  const store = new Map<string, Uint8Array>();
  const root = buildTree(tree, store).cid;
  expect(root.toString()).toBe(await importTree(tree));
  const load = loadFrom(store);
  const found = await resolvePath(load, root, ["folder", "a file with quite some name 4711"]);
  expect(Buffer.concat(await collect(readFile(load, found ?? root, { start: 0, end: 9 }))).toString()).toBe("4711");
  const folder = await resolvePath(load, root, ["folder"]);
  expect((await collect(listFolder(load, folder ?? root))).length).toBe(6_000);
});

test("reads any range of a file of several levels", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.nat(520), fc.nat(520), async (bytes, start, length) => {
      const store = new Map<string, Uint8Array>();
      const { cid } = buildFile(bytes, store);
      const read = Buffer.concat(await collect(readFile(loadFrom(store), cid, { start, end: start + length })));
      expect(read.equals(Buffer.from(bytes).subarray(start, start + length))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("walks every block once, parents before their children", async () => {
  const store = new Map<string, Uint8Array>();
  const { cid } = buildTree({ a: Buffer.alloc(300, 1), b: { c: Buffer.alloc(300, 1) }, d: {} }, store);
  const walked = await collect(walkDag(loadFrom(store), cid, { loadsLeaves: true }));
  const order = walked.map((part) => part.cid.toString());
  expect(order[0]).toBe(cid.toString());
  expect(new Set(order).size).toBe(order.length);
  expect(new Set(order)).toEqual(new Set(store.keys()));
});

function buildTree(tree: Tree, store: Map<string, Uint8Array>): DagEntry {
  const entries = Object.entries(tree).map(([name, entry]) => ({
    name,
    ...(entry instanceof Uint8Array ? buildFile(entry, store) : buildTree(entry, store)),
  }));
  return buildFolderDag(entries, (cid, block) => store.set(cid.toString(), block));
}

function buildFile(bytes: Uint8Array, store: Map<string, Uint8Array>): DagEntry {
  const leaves: DagEntry[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES);
    const cid = rawCid(hash("sha256", chunk, "buffer"));
    store.set(cid.toString(), chunk);
    leaves.push({ cid, sizeBytes: chunk.length, dagBytes: chunk.length });
  }
  return buildFileDag(leaves, (cid, block) => store.set(cid.toString(), block), LINKS_MAX);
}

function loadFrom(store: ReadonlyMap<string, Uint8Array>): (cid: CID) => Promise<Uint8Array> {
  return async (cid) => store.get(cid.toString()) ?? Promise.reject(new Error(`no block ${cid.toString()}`));
}

async function importTree(tree: Tree): Promise<string> {
  const candidates = [{ path: "root" }, ...candidatesOf(tree, "root")];
  const store = { put: async (cid: CID) => cid, get: async () => Promise.reject(new Error("not needed")) };
  let last = "";
  const options = {
    profile: "unixfs-v1-2025",
    chunker: fixedSize({ chunkSize: CHUNK_BYTES }),
    layout: balanced({ maxChildrenPerNode: LINKS_MAX }),
  } as const;
  for await (const entry of importer(candidates, store as never, options)) if (entry.path === "root") last = entry.cid.toString();
  return last;
}

function candidatesOf(tree: Tree, path: string): ImportCandidate[] {
  return Object.entries(tree).flatMap(([name, entry]) => {
    const below = `${path}/${name}`;
    return entry instanceof Uint8Array ? [{ path: below, content: entry }] : [{ path: below }, ...candidatesOf(entry, below)];
  });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
