import fc from "fast-check";
import { expect, test } from "vitest";
import { cutPoint, type CuttableFile, piecesBetween, recordStart } from "./cut-plan.ts";

const someFiles = fc
  .array(fc.record({ sizeBytes: fc.nat(60), headBytes: fc.nat(10) }), { maxLength: 8 })
  .map((files) =>
    files.map(({ sizeBytes, headBytes }, index) => ({ path: `f${index}`, sizeBytes, headBytes: Math.min(sizeBytes, headBytes) })),
  );

test("the pieces of all partitions are the whole, each file once and in order, whatever the record", () => {
  fc.assert(
    fc.property(someFiles, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (files, count, recordBytes) => {
      const headless = files.map((file) => ({ ...file, headBytes: 0 }));
      const parts = divide(headless, count, recordBytes);
      for (const { path, sizeBytes } of headless) {
        const pieces = parts.flat().filter((piece) => piece.path === path);
        expect(pieces.length).toBeGreaterThan(0);
        let at = 0;
        for (const piece of pieces) {
          expect(piece.offset).toBe(at);
          expect(piece.offset % recordBytes).toBe(0);
          at += piece.sizeBytes;
        }
        expect(at).toBe(sizeBytes);
      }
    }),
  );
});

test("partitions differ by no more than a record and a byte", () => {
  fc.assert(
    fc.property(someFiles, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (files, count, recordBytes) => {
      const headless = files.map((file) => ({ ...file, headBytes: 0 }));
      const sizes = divide(headless, count, recordBytes).map((part) => part.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
      const total = headless.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      for (const size of sizes) expect(Math.abs(size - total / count)).toBeLessThanOrEqual(recordBytes + 1);
    }),
  );
});

test("what lies in heads is not divided, and a file of nothing else is given out once", () => {
  fc.assert(
    fc.property(someFiles, fc.integer({ min: 1, max: 12 }), (files, count) => {
      const parts = divide(files, count, 1);
      for (const { path, sizeBytes, headBytes } of files) {
        const pieces = parts.flat().filter((piece) => piece.path === path);
        expect(pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0)).toBe(sizeBytes - headBytes);
        if (sizeBytes === headBytes) expect(pieces.length).toBe(1);
        for (const piece of pieces) expect(piece.offset).toBeGreaterThanOrEqual(headBytes);
      }
    }),
  );
});

test("sizes up to the largest are divided without rounding", () => {
  const files = [{ path: "f", sizeBytes: Number.MAX_SAFE_INTEGER, headBytes: 0 }];
  const parts = divide(files, 7, 1).flat();
  expect(parts.length).toBe(7);
  expect(parts.every(({ sizeBytes }) => Math.abs(sizeBytes - Number.MAX_SAFE_INTEGER / 7) < 2)).toBe(true);
});

function divide(files: readonly CuttableFile[], count: number, recordBytes: number): ReturnType<typeof piecesBetween>[] {
  const headless = files.every(({ headBytes }) => headBytes === 0);
  const at = (index: number): ReturnType<typeof cutPoint> => {
    const point = cutPoint(files, { index, count });
    return headless ? recordStart(point, recordBytes) : point;
  };
  return Array.from({ length: count }, (_, index) => piecesBetween(files, at(index), at(index + 1)));
}
