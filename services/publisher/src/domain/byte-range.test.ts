import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEntityBytes, parseRange } from "./byte-range.ts";

test.each([
  ["bytes=0-9", 100, { start: 0, end: 10 }],
  ["bytes=90-200", 100, { start: 90, end: 100 }],
  ["bytes=99-", 100, { start: 99, end: 100 }],
  ["bytes=-5", 100, { start: 95, end: 100 }],
  ["bytes=-500", 100, { start: 0, end: 100 }],
  ["bytes=100-", 100, "unsatisfiable"],
  ["bytes=-0", 100, "unsatisfiable"],
  ["bytes=0-", 0, "unsatisfiable"],
  ["bytes=-", 100, undefined],
  ["bytes=9-3", 100, undefined],
  ["bytes=0-1,4-5", 100, undefined],
  ["items=0-1", 100, undefined],
  [undefined, 100, undefined],
])("reads %s of %d bytes", (header, sizeBytes, range) => {
  expect(parseRange(header, sizeBytes)).toEqual(range);
});

test.each([
  ["0:*", { start: 0, end: 100 }],
  ["10:19", { start: 10, end: 20 }],
  ["-5:-1", { start: 95, end: 100 }],
  ["-500:-2", { start: 0, end: 99 }],
  ["90:500", { start: 90, end: 100 }],
  ["200:300", { start: 100, end: 100 }],
  ["50:10", { start: 50, end: 50 }],
  ["5", undefined],
  ["a:b", undefined],
])("reads entity-bytes=%s of 100 bytes", (text, range) => {
  expect(parseEntityBytes(text, 100)).toEqual(range);
});

test("never leaves the file", () => {
  fc.assert(
    fc.property(fc.nat(), fc.option(fc.nat(), { nil: undefined }), fc.option(fc.nat(), { nil: undefined }), (sizeBytes, first, last) => {
      const range = parseRange(`bytes=${first ?? ""}-${last ?? ""}`, sizeBytes);
      if (range === undefined || range === "unsatisfiable") return;
      expect(range.start).toBeGreaterThanOrEqual(0);
      expect(range.start).toBeLessThan(range.end);
      expect(range.end).toBeLessThanOrEqual(sizeBytes);
    }),
  );
});
