import { LIMITS } from "@skrei/domain";
import type { CID } from "multiformats/cid";
import { malformed } from "./malformed.ts";
import { FANOUT, NameHash, slotPrefix } from "./name-hash.ts";
import { decodeNode, type FolderLink, type ShardNode } from "./node.ts";
import type { LoadBlock } from "./read-dag.ts";

/**
 * The entries of a folder or shard, in stored order. Names that could leave a folder are refused, and so are shards that multiply: an
 * entry stands only where its hash puts it, every part has entries, and there are at most `LIMITS.resultFilesMax`.
 * @throws DomainError corrupt/RESULT_CORRUPT.
 */
export async function* listFolder(load: LoadBlock, cid: CID): AsyncGenerator<FolderLink> {
  const node = decodeNode(cid, await load(cid));
  if (node.kind === "folder") for (const link of node.links) yield checkName(cid, link);
  else if (node.kind === "shard") yield* new ShardListing(load).list(cid, node, []);
  else throw malformed(cid, `a ${node.kind} where a folder was expected`);
}

/** The entry of that name, or undefined; in a shard only the blocks on the way to it are read. Undefined for what is no folder. */
export async function findEntry(load: LoadBlock, cid: CID, name: string): Promise<CID | undefined> {
  const node = decodeNode(cid, await load(cid));
  if (node.kind === "folder") return node.links.find((link) => link.name === name)?.cid;
  if (node.kind !== "shard") return undefined;
  if (node.fanout === FANOUT) return await findInShard(load, cid, { name, shard: node });
  for await (const link of listFolder(load, cid)) if (link.name === name) return link.cid;
  return undefined;
}

/** True for a name that stays inside its folder on every system we write to. */
export function isSafeName(name: string): boolean {
  return (
    name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0") && Buffer.byteLength(name) <= NAME_BYTES_MAX
  );
}

async function findInShard(load: LoadBlock, root: CID, { name, shard }: { name: string; shard: ShardNode }): Promise<CID | undefined> {
  const hash = new NameHash(name);
  let [cid, node] = [root, shard];
  for (let depth = 0; depth <= SHARD_DEPTH_MAX; depth++) {
    const prefix = slotPrefix(hash.slotAt(depth));
    const [entry, part] = [prefix + name, prefix].map((wanted) => node.links.find((link) => link.name === wanted));
    if (entry !== undefined || part === undefined) return entry?.cid;
    [cid, node] = [part.cid, await loadShard(load, part.cid, node)];
  }
  throw tooDeep(cid);
}

async function loadShard(load: LoadBlock, cid: CID, above: ShardNode): Promise<ShardNode> {
  const node = decodeNode(cid, await load(cid));
  if (node.kind === "shard" && node.fanout === above.fanout) return node;
  throw malformed(cid, "something else where a part of the shard above was expected");
}

class ShardListing {
  readonly #load: LoadBlock;
  #entries = 0;

  constructor(load: LoadBlock) {
    this.#load = load;
  }

  async *list(cid: CID, node: ShardNode, slots: readonly number[]): AsyncGenerator<FolderLink> {
    if (slots.length > SHARD_DEPTH_MAX) throw tooDeep(cid);
    for (const link of node.links) {
      const at = [...slots, Number.parseInt(link.name.slice(0, node.prefixLength), 16)];
      if (link.name.length === node.prefixLength) yield* this.#listPart(link.cid, node, at);
      else yield this.#entry(cid, { ...link, name: link.name.slice(node.prefixLength) }, node.fanout === FANOUT ? at : []);
    }
  }

  /** A part without entries would make work and never come to an end of it. */
  async *#listPart(cid: CID, above: ShardNode, slots: readonly number[]): AsyncGenerator<FolderLink> {
    const before = this.#entries;
    yield* this.list(cid, await loadShard(this.#load, cid, above), slots);
    if (this.#entries === before) throw malformed(cid, "a part of a shard without entries");
  }

  #entry(cid: CID, link: FolderLink, slots: readonly number[]): FolderLink {
    this.#entries += 1;
    if (this.#entries > LIMITS.resultFilesMax) throw malformed(cid, `a folder of more than ${LIMITS.resultFilesMax} entries`);
    const hash = new NameHash(link.name);
    if (slots.some((slot, depth) => depth < HASHED_DEPTH && hash.slotAt(depth) !== slot))
      throw malformed(cid, "an entry where its name does not belong");
    return checkName(cid, link);
  }
}

function checkName(cid: CID, link: FolderLink): FolderLink {
  if (!isSafeName(link.name)) throw malformed(cid, `an entry named ${JSON.stringify(link.name.slice(0, 64))}`);
  return link;
}

function tooDeep(cid: CID): Error {
  return malformed(cid, `a shard nested deeper than ${SHARD_DEPTH_MAX} levels`);
}

/** 64 bits of hash give 8 levels; twice that is generous. */
const SHARD_DEPTH_MAX = 16;
/** What comes after one round of the hash differs between implementations. */
const HASHED_DEPTH = 8;
const NAME_BYTES_MAX = 255;
