import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./manifest.ts";

test("writes keys in order and nothing between", () => {
  expect(canonicalJson({ b: [1, { d: "x", c: null }], a: true, ä: "\n" })).toBe('{"a":true,"b":[1,{"c":null,"d":"x"}],"ä":"\\n"}');
});

test("says the same whatever order the keys came in", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string()))), (record) => {
      const reversed = Object.fromEntries(Object.entries(record).toReversed());
      expect(canonicalJson(reversed)).toBe(canonicalJson(record));
      expect(JSON.parse(canonicalJson(record))).toEqual({ ...record });
    }),
  );
});
