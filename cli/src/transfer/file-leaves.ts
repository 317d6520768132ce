import { LIMITS } from "@skrei/domain";
import { type ContentId, RAW_CODE } from "@skrei/unixfs/cid.ts";
import { decodeNode, type FileNode } from "@skrei/unixfs/node.ts";
import { corrupt } from "./car-reader.ts";
import type { NodeLoader } from "./node-loader.ts";

/** A stretch of a file: a block to fetch, or bytes that came with a node. */
export type Leaf =
  | { readonly cid: ContentId; readonly offset: number; readonly sizeBytes: number }
  | { readonly data: Uint8Array; readonly offset: number; readonly sizeBytes: number };

const FILE_DEPTH_MAX = 32;

/** The stretches of a file in order, loading the nodes between as it goes. @throws DomainError corrupt/RESULT_CORRUPT. */
export async function* leavesOf(nodes: NodeLoader, cid: ContentId, file: FileNode, at = { offset: 0, depth: 0 }): AsyncGenerator<Leaf> {
  if (at.depth > FILE_DEPTH_MAX) throw corrupt(`Block ${cid.toString()} is a file nested deeper than ${FILE_DEPTH_MAX} levels`);
  if (file.data.length > 0) yield { data: file.data, offset: at.offset, sizeBytes: file.data.length };
  let offset = at.offset + file.data.length;
  for (const chunk of file.chunks) {
    await nodes.rest();
    if (chunk.cid.code === RAW_CODE) {
      if (!(chunk.sizeBytes <= LIMITS.blockBytesMax)) throw wrongSize(chunk.cid, chunk.sizeBytes);
      yield { cid: chunk.cid, offset, sizeBytes: chunk.sizeBytes };
    } else {
      const node = decodeNode(chunk.cid, await nodes.load(chunk.cid));
      if (node.kind !== "file" || node.sizeBytes !== chunk.sizeBytes) throw wrongSize(chunk.cid, chunk.sizeBytes);
      yield* leavesOf(nodes, chunk.cid, node, { offset, depth: at.depth + 1 });
    }
    offset += chunk.sizeBytes;
  }
}

export function wrongSize(cid: ContentId, sizeBytes: number): Error {
  return corrupt(`Block ${cid.toString()} is not the ${sizeBytes} bytes of a file that its parent says`);
}
