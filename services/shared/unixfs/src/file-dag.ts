import { createNode, createLink, encode } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { dagPbCid } from "./cid.ts";

/** A finished part of a DAG: a leaf, a file, a symlink or a folder. */
export interface DagEntry {
  readonly cid: CID;
  /** Bytes of the file, or of all files below a folder. */
  readonly sizeBytes: number;
  /** Bytes of all blocks of it; the `Tsize` of a link to it. */
  readonly dagBytes: number;
}

/** Takes a block that was built; leaves of files are never emitted, their bytes are the file's. */
export type EmitBlock = (cid: CID, block: Uint8Array) => void;

/** Bytes of a leaf in profile unixfs-v1-2025. */
export const CHUNK_BYTES = 1_048_576;
const LINKS_MAX = 1_024;

/**
 * The balanced tree over the leaves of a file, in order. One leaf is the file itself; an empty file has one empty leaf.
 * `linksMax` is 1024 in the profile; other values are for tests.
 */
export function buildFileDag(leaves: readonly DagEntry[], emit: EmitBlock, linksMax: number = LINKS_MAX): DagEntry {
  let level = leaves;
  while (level.length > 1) {
    const parents: DagEntry[] = [];
    for (let start = 0; start < level.length; start += linksMax) parents.push(buildFileNode(level.slice(start, start + linksMax), emit));
    level = parents;
  }
  const [root] = level;
  if (root === undefined) throw new TypeError("a file has at least one leaf");
  return root;
}

/** A symlink node; its target is kept as it stands and never followed here. */
export function buildSymlink(target: string, emit: EmitBlock): DagEntry {
  const block = encode(createNode(new UnixFS({ type: "symlink", data: new TextEncoder().encode(target) }).marshal(), []));
  const cid = dagPbCid(block);
  emit(cid, block);
  return { cid, sizeBytes: 0, dagBytes: block.length };
}

function buildFileNode(children: readonly DagEntry[], emit: EmitBlock): DagEntry {
  const unixfs = new UnixFS({ type: "file", blockSizes: children.map((child) => BigInt(child.sizeBytes)) });
  const links = children.map((child) => createLink("", child.dagBytes, child.cid));
  const block = encode({ Data: unixfs.marshal(), Links: links });
  const cid = dagPbCid(block);
  emit(cid, block);
  return {
    cid,
    sizeBytes: children.reduce((sum, child) => sum + child.sizeBytes, 0),
    dagBytes: children.reduce((sum, child) => sum + child.dagBytes, block.length),
  };
}
