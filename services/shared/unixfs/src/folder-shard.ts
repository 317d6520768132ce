import { createLink, createNode, encode, type PBLink } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import { dagPbCid } from "./cid.ts";
import type { DagEntry, EmitBlock } from "./file-dag.ts";
import { FANOUT, NameHash, slotPrefix } from "./name-hash.ts";

/** Murmur3-x64-64 in the multicodec table. */
const HASH_CODE = 0x22n;

/** An entry of a folder under its name. */
export interface NamedEntry extends DagEntry {
  readonly name: string;
}

/** A folder as a HAMT of fanout 256 over Murmur3 of the name, as Kubo builds it. */
export function buildFolderShard(entries: readonly NamedEntry[], emit: EmitBlock): Omit<DagEntry, "sizeBytes"> {
  const hashed = entries.map((entry) => ({ ...entry, hash: new NameHash(entry.name) }));
  return buildShard(hashed, 0, emit);
}

interface HashedEntry extends NamedEntry {
  readonly hash: NameHash;
}

function buildShard(entries: readonly HashedEntry[], depth: number, emit: EmitBlock): Omit<DagEntry, "sizeBytes"> {
  const slots = Array.from<unknown, HashedEntry[]>({ length: FANOUT }, () => []);
  for (const entry of entries) slots[entry.hash.slotAt(depth)]?.push(entry);
  const links: PBLink[] = [];
  slots.forEach((slot, index) => {
    const prefix = slotPrefix(index);
    const [first] = slot;
    if (first === undefined) return;
    if (slot.length === 1) {
      links.push(createLink(prefix + first.name, first.dagBytes, first.cid));
      return;
    }
    const child = buildShard(slot, depth + 1, emit);
    links.push(createLink(prefix, child.dagBytes, child.cid));
  });
  const block = encode(createNode(shardHeader(slots).marshal(), links));
  const cid = dagPbCid(block);
  emit(cid, block);
  return { cid, dagBytes: links.reduce((sum, link) => sum + (link.Tsize ?? 0), block.length) };
}

function shardHeader(slots: readonly (readonly HashedEntry[])[]): UnixFS {
  const bits = new Uint8Array(FANOUT / 8);
  slots.forEach((slot, index) => {
    const at = bits.length - 1 - (index >> 3);
    if (slot.length > 0) bits[at] = (bits[at] ?? 0) | (1 << (index & 7));
  });
  // Highest slot first, without leading zero bytes.
  const first = bits.findIndex((byte) => byte !== 0);
  return new UnixFS({
    type: "hamt-sharded-directory",
    data: bits.subarray(first < 0 ? bits.length : first),
    fanout: BigInt(FANOUT),
    hashType: HASH_CODE,
  });
}
