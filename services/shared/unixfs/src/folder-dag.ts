import { createLink, createNode, encode } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import { dagPbCid } from "./cid.ts";
import type { DagEntry, EmitBlock } from "./file-dag.ts";
import { buildFolderShard, type NamedEntry } from "./folder-shard.ts";

/** A folder's block may have this many bytes; a larger one becomes a HAMT. IPIP-499, profile unixfs-v1-2025. */
const FOLDER_BLOCK_BYTES_MAX = 262_144;

/** A folder of `entries`, in any order; names must differ. */
export function buildFolderDag(entries: readonly NamedEntry[], emit: EmitBlock): DagEntry {
  const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  const block = encodeFlatFolder(entries);
  if (block.length > FOLDER_BLOCK_BYTES_MAX) return { ...buildFolderShard(entries, emit), sizeBytes };
  const cid = dagPbCid(block);
  emit(cid, block);
  return { cid, sizeBytes, dagBytes: entries.reduce((sum, entry) => sum + entry.dagBytes, block.length) };
}

function encodeFlatFolder(entries: readonly NamedEntry[]): Uint8Array {
  const links = entries.map((entry) => createLink(entry.name, entry.dagBytes, entry.cid));
  return encode(createNode(new UnixFS({ type: "directory" }).marshal(), links));
}
