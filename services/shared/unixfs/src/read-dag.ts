import { LIMITS } from "@skrei/domain";
import type { CID } from "multiformats/cid";
import { RAW_CODE } from "./cid.ts";
import { malformed } from "./malformed.ts";
import { decodeNode, linksOf } from "./node.ts";
import { findEntry } from "./read-folder.ts";

/** Gives a block whose hash was checked. @throws DomainError notFound/BLOCK_MISSING. */
export type LoadBlock = (cid: CID) => Promise<Uint8Array>;

/** Bytes of a file, `end` excluded. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The content id at `path` below `root`, or undefined. Symlinks are not followed. */
export async function resolvePath(load: LoadBlock, root: CID, path: readonly string[]): Promise<CID | undefined> {
  let cid = root;
  for (const name of path) {
    if (cid.code === RAW_CODE) return undefined;
    const found = await findEntry(load, cid, name);
    if (found === undefined) return undefined;
    cid = found;
  }
  return cid;
}

/** The bytes of a file in order, at most one block at a time. @throws DomainError corrupt/RESULT_CORRUPT when sizes do not add up. */
export async function* readFile(load: LoadBlock, cid: CID, range: ByteRange, depth = 0): AsyncGenerator<Uint8Array> {
  const node = decodeNode(cid, await load(cid));
  if (node.kind !== "file" || depth > FILE_DEPTH_MAX) throw malformed(cid, `a ${node.kind} where a part of a file was expected`);
  const head = node.data.subarray(Math.min(range.start, node.data.length), Math.min(range.end, node.data.length));
  if (head.length > 0) yield head;
  let at = node.data.length;
  for (const chunk of node.chunks) {
    const start = Math.max(range.start - at, 0);
    const end = Math.min(range.end - at, chunk.sizeBytes);
    if (start < end) yield* exactly(readFile(load, chunk.cid, { start, end }, depth + 1), end - start, chunk.cid);
    at += chunk.sizeBytes;
  }
}

/** The blocks of a file that hold bytes of `range`, and those on the way to them; parents first, each once. */
export async function* walkFile(load: LoadBlock, cid: CID, range: ByteRange): AsyncGenerator<{ cid: CID; block: Uint8Array }> {
  const seen = new Set<string>();
  for await (const part of partsOf(load, cid, range)) {
    const key = part.cid.toString();
    if (seen.has(key)) continue;
    seen.add(key);
    yield part;
  }
}

async function* partsOf(load: LoadBlock, cid: CID, range: ByteRange, depth = 0): AsyncGenerator<{ cid: CID; block: Uint8Array }> {
  const block = await load(cid);
  const node = decodeNode(cid, block);
  if (node.kind !== "file" || depth > FILE_DEPTH_MAX) throw malformed(cid, `a ${node.kind} where a part of a file was expected`);
  yield { cid, block };
  let at = node.data.length;
  for (const chunk of node.chunks) {
    const start = Math.max(range.start - at, 0);
    const end = Math.min(range.end - at, chunk.sizeBytes);
    if (start < end) yield* partsOf(load, chunk.cid, { start, end }, depth + 1);
    at += chunk.sizeBytes;
  }
}

/** Every block below `root` once, parents first, in the order of links. Raw blocks come without bytes unless `loadsLeaves`. */
export async function* walkDag(
  load: LoadBlock,
  root: CID,
  { loadsLeaves }: { readonly loadsLeaves: boolean },
): AsyncGenerator<{ cid: CID; block: Uint8Array | undefined }> {
  const seen = new Set<string>();
  const ahead: CID[] = [root];
  for (let cid = ahead.pop(); cid !== undefined; cid = ahead.pop()) {
    const key = cid.toString();
    if (seen.has(key)) continue;
    seen.add(key);
    const block = cid.code === RAW_CODE && !loadsLeaves ? undefined : await load(cid);
    yield { cid, block };
    if (block !== undefined) for (const link of linksOf(cid, block).toReversed()) ahead.push(link);
  }
}

/** Guards the declared size of a chunk, so that a lying node cannot shift what follows it. */
async function* exactly(pieces: AsyncGenerator<Uint8Array>, sizeBytes: number, cid: CID): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    yield piece;
  }
  if (bytes !== sizeBytes) throw malformed(cid, `${bytes} bytes where its parent says ${sizeBytes}`);
}

const FILE_DEPTH_MAX = Math.min(LIMITS.resultDepthMax, 32);
