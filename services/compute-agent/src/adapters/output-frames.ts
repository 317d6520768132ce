import type { FileHandle } from "node:fs/promises";
import { LIMITS } from "@skrei/domain";
import type { OutputStream } from "../ports.ts";

/** One record of an output log: 1 byte kind, 8 bytes time (double), 4 bytes length, then the data. Big endian. */
export interface OutputFrame {
  readonly kind: FrameKind;
  readonly atMs: number;
  readonly data: Uint8Array;
  /** Position of the frame after this one in the file. */
  readonly endPosition: number;
}

/** `truncated` has no data: output beyond the limit was dropped from here on. */
export type FrameKind = OutputStream | "truncated";

export function encodeFrame(kind: FrameKind, atMs: number, data: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + data.length);
  frame.writeUInt8(KINDS.indexOf(kind), 0);
  frame.writeDoubleBE(atMs, 1);
  frame.writeUInt32BE(data.length, 9);
  frame.set(data, HEADER_BYTES);
  return frame;
}

/** The whole frames from `position` up to `endPosition`; stops before one that is torn or no frame. Memory: one buffer. */
export async function* readFrames(file: FileHandle, position: number, endPosition: number): AsyncGenerator<OutputFrame> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  for (let start = position; start < endPosition;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(BUFFER_BYTES, endPosition - start), start);
    let used = 0;
    for (let frame = decodeFrame(buffer.subarray(0, bytesRead), start); frame !== undefined;) {
      used = frame.endPosition - start;
      yield frame;
      frame = decodeFrame(buffer.subarray(used, bytesRead), start + used);
    }
    if (used === 0) return;
    start += used;
  }
}

function decodeFrame(buffer: Buffer, position: number): OutputFrame | undefined {
  if (buffer.length < HEADER_BYTES) return undefined;
  const kind = KINDS[buffer.readUInt8(0)];
  const length = buffer.readUInt32BE(9);
  if (kind === undefined || length > LIMITS.logChunkBytesMax || buffer.length < HEADER_BYTES + length) return undefined;
  return {
    kind,
    atMs: buffer.readDoubleBE(1),
    data: Uint8Array.from(buffer.subarray(HEADER_BYTES, HEADER_BYTES + length)),
    endPosition: position + HEADER_BYTES + length,
  };
}

/** Never zero, so that a hole in the file is no frame. */
const KINDS: readonly (FrameKind | undefined)[] = [undefined, "stdout", "stderr", "truncated"];
const HEADER_BYTES = 13;
const BUFFER_BYTES = 2 * (HEADER_BYTES + LIMITS.logChunkBytesMax);
