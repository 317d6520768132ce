import fc from "fast-check";
import { expect, test } from "vitest";
import { PartCutter } from "./part-cutter.ts";

const signal = new AbortController().signal;

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

test("gives the stream's bytes in parts of one size, whatever its pieces are, with parts used again", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 40 }), async (given, sizeBytes) => {
      const cutter = new PartCutter(sizeBytes);
      const memory = new Set<ArrayBufferLike>();
      const kept: Buffer[] = [];
      for await (const part of cutter.cut(streamOf(given), signal)) {
        kept.push(Buffer.from(part));
        memory.add(part.buffer);
        cutter.recycle(part);
      }
      expect(Buffer.concat(kept)).toEqual(Buffer.concat(given));
      expect(kept.slice(0, -1).every(({ length }) => length === sizeBytes)).toBe(true);
      expect(memory.size).toBeLessThanOrEqual(2);
    }),
  );
});

test("stops waiting for a stream that stands still when the caller leaves", async () => {
  const controller = new AbortController();
  async function* still(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(3);
    controller.abort("left");
    await new Promise(() => undefined);
  }
  const parts = new PartCutter(8).cut(still(), controller.signal);
  await expect(parts.next()).rejects.toBe("left");
});
