import { DomainError, LIMITS } from "@skrei/domain";
import { parseCid } from "@skrei/unixfs/cid.ts";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import { readFile, resolvePath } from "@skrei/unixfs/read-dag.ts";
import type { ByteRange, LoadBlock } from "@skrei/unixfs/read-dag.ts";

export interface PublishedPiece {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
  readonly nextOffset: number;
}

export interface PublishedQuery {
  readonly resultCid: string;
  /** Counts through `stdout` and then `stderr`: how they were mixed is not kept. */
  readonly fromOffset: number;
  /** Start this many bytes before the end instead; 0 is off. */
  readonly tailBytes: number;
}

/** The output files of a published result. @throws what `load` throws; corrupt/RESULT_CORRUPT. */
export async function* readPublishedOutput(load: LoadBlock, query: PublishedQuery): AsyncGenerator<PublishedPiece> {
  const root = parseCid(query.resultCid);
  const files = [await openFile(load, root, "stdout"), await openFile(load, root, "stderr")];
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const from = query.tailBytes > 0 ? Math.max(0, totalBytes - query.tailBytes) : query.fromOffset;
  let fileStart = 0;
  for (const { name, cid, sizeBytes } of files) {
    let offset = Math.max(from, fileStart);
    const range = { start: offset - fileStart, end: sizeBytes };
    for await (const data of piecesOf(load, cid, range)) {
      offset += data.length;
      yield { stream: name, data, nextOffset: offset };
    }
    fileStart += sizeBytes;
  }
}

async function* piecesOf(load: LoadBlock, cid: ContentId | undefined, range: ByteRange): AsyncGenerator<Uint8Array> {
  if (cid === undefined || range.start >= range.end) return;
  for await (const block of readFile(load, cid, range)) {
    for (let at = 0; at < block.length; at += LIMITS.logChunkBytesMax) yield block.subarray(at, at + LIMITS.logChunkBytesMax);
  }
}

interface OutputFile {
  readonly name: "stdout" | "stderr";
  readonly cid: ContentId | undefined;
  readonly sizeBytes: number;
}

/** A result without the file reads as an empty one. */
async function openFile(load: LoadBlock, root: ContentId, name: "stdout" | "stderr"): Promise<OutputFile> {
  const cid = await resolvePath(load, root, [name]);
  if (cid === undefined) return { name, cid, sizeBytes: 0 };
  const node = decodeNode(cid, await load(cid));
  if (node.kind !== "file")
    throw new DomainError("corrupt", "RESULT_CORRUPT", `${name} of the result ${root.toString()} is no file but a ${node.kind}.`);
  return { name, cid, sizeBytes: node.sizeBytes };
}
