import { hash } from "node:crypto";
import { DomainError, LIMITS } from "@skrei/domain";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";

/** A parsed content id. */
export type ContentId = CID;

export const RAW_CODE = 0x55;
export const DAG_PB_CODE = 0x70;
const SHA2_256_CODE = 0x12;

/** Content id of a raw block whose SHA-256 is `digest` (32 bytes, kept, not copied). */
export function rawCid(digest: Uint8Array): CID {
  return CID.createV1(RAW_CODE, createDigest(SHA2_256_CODE, digest));
}

/** Content id of an encoded dag-pb block. */
export function dagPbCid(block: Uint8Array): CID {
  return CID.createV1(DAG_PB_CODE, createDigest(SHA2_256_CODE, hash("sha256", block, "buffer")));
}

/**
 * Parses a content id; version 0 becomes version 1 of the same block.
 * @throws DomainError invalid/CONTENT_ID_INVALID for anything but sha2-256 over raw or dag-pb.
 */
export function parseCid(text: string): CID {
  const cid = tryParse(text);
  const isSupported =
    cid !== undefined &&
    (cid.code === RAW_CODE || cid.code === DAG_PB_CODE) &&
    cid.multihash.code === SHA2_256_CODE &&
    cid.multihash.digest.length === 32;
  if (!isSupported) {
    throw new DomainError("invalid", "CONTENT_ID_INVALID", `"${text.slice(0, 128)}" is not a content id that is supported here.`, {
      hint: "Use a CID with sha2-256 and the codec raw or dag-pb.",
    });
  }
  return cid.toV1();
}

/** True when `block` hashes to `cid`. */
export function isBlockOf(cid: CID, block: Uint8Array): boolean {
  return hash("sha256", block, "buffer").equals(cid.multihash.digest);
}

/**
 * Checks a block from elsewhere.
 * @throws DomainError invalid/BLOCK_TOO_LARGE (over 2 MiB), invalid/BLOCK_HASH_MISMATCH.
 */
export function verifyBlock(cid: CID, block: Uint8Array): void {
  if (block.length > LIMITS.blockBytesMax) {
    throw new DomainError(
      "invalid",
      "BLOCK_TOO_LARGE",
      `Block ${cid.toString()} has ${block.length} bytes; at most ${LIMITS.blockBytesMax} are taken.`,
      {
        hint: "Cut files into chunks of 1 MiB.",
      },
    );
  }
  if (!isBlockOf(cid, block)) {
    throw new DomainError(
      "invalid",
      "BLOCK_HASH_MISMATCH",
      `The ${block.length} bytes sent for block ${cid.toString()} have another hash.`,
      {
        hint: "Send the block again; if it fails again, the copy at the sender is damaged.",
      },
    );
  }
}

function tryParse(text: string): CID | undefined {
  try {
    return CID.parse(text);
  } catch {
    // Not a CID at all; the caller words the refusal.
    return undefined;
  }
}
