import { decode, type PBNode } from "@ipld/dag-pb";
import { DomainError } from "@skrei/domain";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { RAW_CODE } from "./cid.ts";

export interface FileNode {
  readonly kind: "file";
  /** Bytes held by the block itself; they come before the chunks. */
  readonly data: Uint8Array;
  readonly chunks: readonly { readonly cid: CID; readonly sizeBytes: number }[];
  readonly sizeBytes: number;
}

export interface FolderLink {
  readonly name: string;
  readonly cid: CID;
  /** As the folder claims; not verified. */
  readonly dagBytes: number;
}

/** A part of a large folder. Names carry the slot in front; a name that is nothing but its slot is a part below. */
export interface ShardNode {
  readonly kind: "shard";
  readonly links: readonly FolderLink[];
  readonly fanout: number;
  /** Characters of the slot. */
  readonly prefixLength: number;
}

export type UnixfsNode =
  | FileNode
  | { readonly kind: "folder"; readonly links: readonly FolderLink[] }
  | ShardNode
  | { readonly kind: "symlink"; readonly target: string };

/**
 * What a verified block says. Content is untrusted all the same: sizes and names are claims.
 * @throws DomainError invalid/CONTENT_ID_INVALID when the block is not UnixFS.
 */
export function decodeNode(cid: CID, block: Uint8Array): UnixfsNode {
  if (cid.code === RAW_CODE) return { kind: "file", data: block, chunks: [], sizeBytes: block.length };
  const { node, unixfs } = decodeBlock(cid, block);
  switch (unixfs.type) {
    case "file":
    case "raw":
      return fileNode(cid, node, unixfs);
    case "directory":
      return { kind: "folder", links: folderLinks(node) };
    case "hamt-sharded-directory":
      return shardNode(node, Number(unixfs.fanout ?? 256n));
    case "symlink":
      return { kind: "symlink", target: new TextDecoder().decode(unixfs.data ?? new Uint8Array()) };
    default:
      throw notUnixfs(cid, undefined);
  }
}

/** The links of a block; none for a raw one. */
export function linksOf(cid: CID, block: Uint8Array): readonly CID[] {
  return cid.code === RAW_CODE ? [] : decodeBlock(cid, block).node.Links.map((link) => link.Hash.toV1());
}

/** Bytes of all blocks below and including this one, as far as its links tell the truth: what a folder above it says of it. */
export function dagBytesOf(cid: CID, block: Uint8Array): number {
  if (cid.code === RAW_CODE) return block.length;
  return decodeBlock(cid, block).node.Links.reduce((sum, link) => sum + (link.Tsize ?? 0), block.length);
}

function fileNode(cid: CID, node: PBNode, unixfs: UnixFS): FileNode {
  if (unixfs.blockSizes.length !== node.Links.length) throw notUnixfs(cid, undefined);
  const chunks = node.Links.map((link, index) => ({ cid: link.Hash.toV1(), sizeBytes: Number(unixfs.blockSizes[index]) }));
  const data = unixfs.data ?? new Uint8Array();
  return { kind: "file", data, chunks, sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, data.length) };
}

function shardNode(node: PBNode, fanout: number): ShardNode {
  return { kind: "shard", links: folderLinks(node), fanout, prefixLength: (fanout - 1).toString(16).length };
}

function folderLinks(node: PBNode): FolderLink[] {
  return node.Links.map((link) => ({ name: link.Name ?? "", cid: link.Hash.toV1(), dagBytes: link.Tsize ?? 0 }));
}

function decodeBlock(cid: CID, block: Uint8Array): { node: PBNode; unixfs: UnixFS } {
  try {
    const node = decode(block);
    return { node, unixfs: UnixFS.unmarshal(node.Data ?? new Uint8Array()) };
  } catch (cause) {
    throw notUnixfs(cid, cause);
  }
}

function notUnixfs(cid: CID, cause: unknown): DomainError {
  return new DomainError("invalid", "CONTENT_ID_INVALID", `Block ${cid.toString()} is not a UnixFS file, folder or symlink.`, {
    hint: "Only UnixFS content can be read here.",
    cause,
  });
}
