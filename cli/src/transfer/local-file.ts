import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from "node:fs";
import { LIMITS } from "@skrei/domain";
import { isBlockOf } from "@skrei/unixfs/cid.ts";
import { type Leaf, leavesOf } from "./file-leaves.ts";
import type { NodeLoader } from "./node-loader.ts";
import type { TreeEntry } from "./walk-tree.ts";

export type FileEntry = Extract<TreeEntry, { kind: "file" }>;

const scratch = Buffer.allocUnsafeSlow(LIMITS.blockBytesMax);

/** What is at a path, links not followed; undefined for nothing. */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** True when the file at `path` is the entry, byte for byte. Links are not followed. */
export async function isSameFile(nodes: NodeLoader, path: string, { node, cid }: FileEntry): Promise<boolean> {
  if (statOf(path)?.isFile() !== true) return false;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(fd);
    if (node === undefined) return size <= LIMITS.blockBytesMax && readLeaf(fd, { cid, offset: 0, sizeBytes: size }) !== undefined;
    if (size !== node.sizeBytes) return false;
    for await (const leaf of leavesOf(nodes, cid, node)) if (readLeaf(fd, leaf) === undefined) return false;
    return true;
  } finally {
    closeSync(fd);
  }
}

/** The bytes of a leaf if an open file has them where they belong; valid until the next call. */
export function readLeaf(fd: number, leaf: Leaf): Uint8Array | undefined {
  const bytes = scratch.subarray(0, leaf.sizeBytes);
  for (let done = 0; done < leaf.sizeBytes;) {
    const count = readSync(fd, bytes, done, leaf.sizeBytes - done, leaf.offset + done);
    if (count === 0) return undefined;
    done += count;
  }
  const isSame = "data" in leaf ? bytes.equals(leaf.data) : isBlockOf(leaf.cid, bytes);
  return isSame ? bytes : undefined;
}
