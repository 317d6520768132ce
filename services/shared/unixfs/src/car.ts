import type { ContentId } from "./cid.ts";

/** What a CAR (version 1) begins with: DAG-CBOR of `{roots: [root], version: 1}`, by hand, for it is the only CBOR here. */
export function carHeader(root: ContentId): Uint8Array {
  const roots = [0xa2, 0x65, ...Buffer.from("roots"), 0x81, 0xd8, 0x2a, 0x58, root.bytes.length + 1, 0x00, ...root.bytes];
  const header = Buffer.from([...roots, 0x67, ...Buffer.from("version"), 0x01]);
  return Buffer.concat([varint(header.length), header]);
}

/** What stands before a block; apart from it, so that a block of 1 MiB need not be copied. */
export function carSectionHead(cid: ContentId, blockBytes: number): Uint8Array {
  return Buffer.concat([varint(cid.bytes.length + blockBytes), cid.bytes]);
}

/** Unsigned LEB128. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
