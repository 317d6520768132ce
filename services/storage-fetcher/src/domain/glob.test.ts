import { compileKeyPattern } from "@skrei/s3/key-pattern.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { globToPattern } from "./glob.ts";

test.each([
  ["**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv"], ["a.csv.gz", "csv", "x/a.csv/b"]],
  ["*.csv", ["a.csv", ".csv"], ["x/a.csv"]],
  ["logs/**", ["logs/a", "logs/a/b"], ["logs", "other/logs/a"]],
  ["logs/**/x", ["logs/x", "logs/a/b/x"], ["logs/ax", "x"]],
  ["a?c", ["abc", "a\nc"], ["ac", "a/c"]],
  ["[a-c]x", ["bx"], ["dx", "/x"]],
  ["[!a-c]x", ["dx"], ["bx", "/x"]],
  ["[]]x", ["]x"], ["x"]],
  ["{a,b*}.txt", ["a.txt", "bcd.txt"], ["c.txt", "b/.txt", "a,b.txt"]],
  ["{a,{b,c}}d", ["ad", "bd", "cd"], ["d"]],
  [String.raw`\*.x`, ["*.x"], ["a.x"]],
  ["a{b", ["a{b"], ["ab"]],
  ["a}b,c", ["a}b,c"], ["ab"]],
  ["}{a,b}", ["}{a,b}"], ["}a"]],
  ["a*b**c", ["axbyc"], ["ax/byc"]],
  ["a[b", ["a[b"], ["ab"]],
  ["a+(b).$^|", ["a+(b).$^|"], ["aab"]],
  ["über/*", ["über/ä"], ["uber/a"]],
] as const)("%s matches as people expect", (glob, matching, others) => {
  const match = compileKeyPattern(globToPattern(glob));
  for (const path of matching) expect(match(path), path).toBeDefined();
  for (const path of others) expect(match(path), path).toBeUndefined();
});

test("a path that is escaped whole matches itself and nothing longer", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), (path) => {
      const escaped = Array.from(path, (char) => `\\${char}`).join("");
      const match = compileKeyPattern(globToPattern(escaped));
      expect(match(path)).toBeDefined();
      expect(match(`${path}x`)).toBeUndefined();
    }),
  );
});

test("any text is a glob that compiles", () => {
  const unit = fc.constantFrom(...Array.from("*?[]{}!^,/\\-ab&~"));
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (glob) => void compileKeyPattern(globToPattern(glob))),
    { numRuns: 2_000 },
  );
});
