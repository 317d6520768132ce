import type { OutputSink, OutputStream } from "../../ports.ts";

const HEADER_BYTES = 8;

/**
 * Reads the engine's multiplexed output (8-byte header: stream, 3 zero bytes, big-endian length) and hands each piece to `sink`,
 * waiting for it: not reading is the back-pressure. The first `skip` bytes of each stream are dropped (re-attaching).
 *
 * Our own because docker-modem's copies per frame, ignores back-pressure and overflows the stack on many small frames.
 */
export async function demultiplex(
  source: AsyncIterable<Uint8Array>,
  sink: OutputSink,
  nowMs: () => number,
  skip: Record<OutputStream, number> = { stdout: 0, stderr: 0 },
): Promise<void> {
  const left = { ...skip };
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    held = held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([held, chunk]);
    const { pieces, rest } = splitFrames(held);
    held = rest;
    for (const { stream, data } of pieces) {
      const dropped = Math.min(left[stream], data.length);
      left[stream] -= dropped;
      if (dropped < data.length) await sink.write(stream, data.subarray(dropped), nowMs());
    }
  }
}

interface Piece {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
}

/** Whole frames, neighbours of one stream joined, and what is left of an unfinished one. */
function splitFrames(bytes: Buffer): { pieces: readonly Piece[]; rest: Buffer } {
  const frames: { stream: OutputStream; parts: Buffer[] }[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_BYTES) {
    const end = at + HEADER_BYTES + bytes.readUInt32BE(at + 4);
    if (end > bytes.length) break;
    const stream = bytes[at] === 2 ? "stderr" : "stdout";
    const part = bytes.subarray(at + HEADER_BYTES, end);
    const last = frames.at(-1);
    if (last?.stream === stream) last.parts.push(part);
    else frames.push({ stream, parts: [part] });
    at = end;
  }
  const pieces = frames.map(({ stream, parts }) => ({ stream, data: parts.length === 1 ? (parts[0] ?? bytes) : Buffer.concat(parts) }));
  return { pieces, rest: bytes.subarray(at) };
}
