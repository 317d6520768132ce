import { createLink, createNode, encode, type PBLink } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { beforeEach, expect, test } from "vitest";
import { dagPbCid } from "./cid.ts";
import { buildSymlink } from "./file-dag.ts";
import { buildFolderShard } from "./folder-shard.ts";
import { findEntry, listFolder } from "./read-folder.ts";

const blocks = new Map<string, Uint8Array>();
let loads = 0;
beforeEach(() => {
  blocks.clear();
  loads = 0;
});

test("finds every name of a sharded folder by the blocks on the way to it alone", async () => {
  const names = Array.from({ length: 3_000 }, (_, index) => `file ${index}`);
  const leaf = buildSymlink("x", emit);
  const { cid } = buildFolderShard(
    names.map((name) => ({ name, ...leaf })),
    emit,
  );
  for (const name of names.slice(0, 50)) expect(String(await findEntry(load, cid, name))).toBe(leaf.cid.toString());
  expect(loads).toBeLessThanOrEqual(50 * 3);
  expect(await findEntry(load, cid, "file 3000")).toBeUndefined();
  expect((await listed(cid)).toSorted()).toEqual(names.toSorted());
});

test("refuses a shard whose parts multiply, before it has read a thousand blocks", async () => {
  const leaf = buildSymlink("x", emit);
  const bottom = shardOf([createLink("00x", leaf.dagBytes, leaf.cid)]);
  let bomb = bottom;
  for (let depth = 0; depth < 12; depth++) bomb = shardOf(allSlots(bomb));
  await expect(listed(bomb)).rejects.toMatchObject({ kind: "corrupt", message: expect.stringContaining("does not belong") as string });
  let hollow = shardOf([]);
  for (let depth = 0; depth < 12; depth++) hollow = shardOf(allSlots(hollow));
  await expect(listed(hollow)).rejects.toMatchObject({ kind: "corrupt", message: expect.stringContaining("without entries") as string });
  expect(loads).toBeLessThan(1_000);
});

test("refuses a shard that is nested without end, for a list and for a name", async () => {
  const leaf = buildSymlink("x", emit);
  let deep = shardOf([createLink("00x", leaf.dagBytes, leaf.cid)]);
  for (let depth = 0; depth < 40; depth++) deep = shardOf(allSlots(deep));
  await expect(listed(deep)).rejects.toMatchObject({ kind: "corrupt", message: expect.stringContaining("deeper") as string });
  await expect(findEntry(load, deep, "x")).rejects.toMatchObject({ kind: "corrupt" });
});

test("refuses a part of a shard that is a folder", async () => {
  const folder = encode(createNode(new UnixFS({ type: "directory" }).marshal(), []));
  emit(dagPbCid(folder), folder);
  await expect(listed(shardOf(allSlots(dagPbCid(folder))))).rejects.toMatchObject({ kind: "corrupt" });
});

function emit(cid: CID, block: Uint8Array): void {
  blocks.set(cid.toString(), block);
}

async function load(cid: CID): Promise<Uint8Array> {
  loads += 1;
  return blocks.get(cid.toString()) ?? Promise.reject(new Error(`no ${cid.toString()}`));
}

async function listed(cid: CID): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of listFolder(load, cid)) names.push(name);
  return names;
}

function allSlots(cid: CID): PBLink[] {
  return Array.from({ length: 256 }, (_, slot) => createLink(slot.toString(16).toUpperCase().padStart(2, "0"), 1, cid));
}

function shardOf(links: PBLink[]): CID {
  const header = new UnixFS({ type: "hamt-sharded-directory", data: new Uint8Array(32).fill(255), fanout: 256n, hashType: 0x22n });
  const block = encode(createNode(header.marshal(), links));
  emit(dagPbCid(block), block);
  return dagPbCid(block);
}
