import type { FileHandle } from "node:fs/promises";

/** Where the first line after `count` lines begins; the file's size when it has no more. */
export async function bytesOfLines(file: FileHandle, count: number, signal: AbortSignal): Promise<number> {
  let end = 0;
  for (let line = 0; line < count; line++) end = await nextLineStart(file, end, signal);
  return end;
}

/** The first line start at or after `offset`, given that `offset - 1` is looked at too; the file's size when there is none. */
export async function lineStartFrom(file: FileHandle, offset: number, signal: AbortSignal): Promise<number> {
  return offset === 0 ? 0 : await nextLineStart(file, offset - 1, signal);
}

/** Behind the first line feed at or after `from`. */
async function nextLineStart(file: FileHandle, from: number, signal: AbortSignal): Promise<number> {
  const { size } = await file.stat();
  let buffer = Buffer.allocUnsafe(FIRST_READ_BYTES);
  let at = from;
  while (at < size) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    const found = buffer.subarray(0, bytesRead).indexOf(LINE_FEED);
    if (found !== -1) return at + found + 1;
    at += bytesRead;
    // A long line is read in large pieces.
    if (buffer.length < READ_BYTES) buffer = Buffer.allocUnsafe(READ_BYTES);
  }
  return size;
}

const LINE_FEED = 0x0a;
const FIRST_READ_BYTES = 4_096;
const READ_BYTES = 1_048_576;
