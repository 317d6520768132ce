import fc from "fast-check";
import { expect, test } from "vitest";
import { type Partitioning, partitionFilter } from "./partition-objects.ts";

const objectsOf = (...keys: readonly string[]): readonly { readonly key: string }[] => keys.map((key) => ({ key }));

/** The keys of each partition. */
function divide(keys: readonly string[], partitioning: Partitioning, count: number, prefix = ""): string[][] {
  return Array.from({ length: count }, (_, index) =>
    objectsOf(...keys)
      .filter(partitionFilter({ partitioning, prefix, index, count }))
      .map(({ key }) => key),
  );
}

const DIVIDING: readonly Partitioning[] = [
  { type: "object" },
  { type: "regex", pattern: "([a-z]+)(\\d*)" },
  { type: "regex", pattern: "\\d" },
  { type: "substring", startIndex: 1, endIndex: 3 },
  { type: "date", dateFormat: "2006-01" },
];

const someKeys = fc.uniqueArray(
  fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }).filter((key) => key.isWellFormed()),
    fc.stringMatching(/^20\d\d-[01]\d-[a-z]{0,4}\d?$/u),
  ),
  { maxLength: 40 },
);

test.each(DIVIDING)("puts every object into exactly one partition, whatever the listing's order: %j", (partitioning) => {
  fc.assert(
    fc.property(someKeys, fc.integer({ min: 1, max: 7 }), fc.integer(), (keys, count, seed) => {
      const files = keys.filter((key) => !key.endsWith("/"));
      const divided = divide(keys, partitioning, count);
      expect(divided.flat().toSorted()).toEqual(files.toSorted());
      const shuffled = keys.toSorted((one, other) => ((one.length * 31 + seed) % 7) - ((other.length * 31 + seed) % 7));
      expect(divide(shuffled, partitioning, count).map((part) => part.toSorted())).toEqual(divided.map((part) => part.toSorted()));
      // An object stays where it is when others come and go.
      for (const [index, part] of divided.entries()) expect(divide(part, partitioning, count)[index]).toEqual(part);
    }),
  );
});

test("gives every object to every partition without partitioning, and leaves folders out", () => {
  expect(divide(["a", "b/", "b/c"], { type: "none" }, 2)).toEqual([
    ["a", "b/c"],
    ["a", "b/c"],
  ]);
});

test("divides by the 32-bit FNV-1a hash of the whole key", () => {
  // Published values: "a" is e40c292c, "foobar" is bf9cf968, "foo" is a9f37ed7.
  expect(
    divide(["a", "foobar", "foo"], { type: "object" }, 1_000).flatMap((keys, index) => (keys.length > 0 ? [[index, keys]] : [])),
  ).toEqual(
    [
      [0xa9f3_7ed7 % 1_000, ["foo"]],
      [0xbf9c_f968 % 1_000, ["foobar"]],
      [0xe40c_292c % 1_000, ["a"]],
    ].toSorted(([one], [other]) => Number(one) - Number(other)),
  );
});

/** Divisions that Bacalhau's own implementation gives. */
test.each<readonly [string, Partitioning, string, string[], string[][]]>([
  [
    "captured groups",
    { type: "regex", pattern: "user(\\d+)" },
    "p/",
    ["p/user123/1", "p/user456/3", "p/user789/4", "p/none/5"],
    [["p/user456/3", "p/none/5"], ["p/user789/4"], [], ["p/user123/1"]],
  ],
  [
    "several groups",
    { type: "regex", pattern: "user(\\d+)-group(\\d+)" },
    "p/",
    ["p/user123-group456.txt", "p/user789-group012.txt", "p/user123-group999.txt", "p/x"],
    [["p/x"], ["p/user123-group999.txt"], ["p/user123-group456.txt", "p/user789-group012.txt"]],
  ],
  [
    "the whole match",
    { type: "regex", pattern: "00\\d" },
    "p/",
    ["p/001.txt", "p/002.txt", "p/003.txt", "p/abc.txt"],
    [["p/001.txt", "p/002.txt", "p/abc.txt"], ["p/003.txt"], []],
  ],
  ["an empty group", { type: "regex", pattern: "()" }, "p/", ["p/1", "p/2"], [["p/1", "p/2"], []]],
  [
    "characters",
    { type: "substring", startIndex: 0, endIndex: 1 },
    "p/",
    ["p/用户1", "p/户用4", "p/用户7"],
    [["p/户用4"], [], ["p/用户1", "p/用户7"]],
  ],
  [
    "keys that are too short",
    { type: "substring", startIndex: 0, endIndex: 10 },
    "p/",
    ["p/short.txt", "p/very-long-name.txt"],
    [["p/short.txt"], ["p/very-long-name.txt"], []],
  ],
  [
    "days",
    { type: "date", dateFormat: "2006-01-02" },
    "p/",
    ["p/2023-01-01-a", "p/2023-01-02-a", "p/2023-01-02-b", "p/no-date"],
    [
      ["p/2023-01-01-a", "p/no-date"],
      ["p/2023-01-02-a", "p/2023-01-02-b"],
    ],
  ],
  [
    "months without separators",
    { type: "date", dateFormat: "200601" },
    "p/",
    ["p/20230101.txt", "p/2023-01-02.txt", "p/20230103.txt"],
    [["p/2023-01-02.txt"], ["p/20230101.txt", "p/20230103.txt"], []],
  ],
  [
    "a layout that names the month twice",
    { type: "date", dateFormat: "2006-01-02T1" },
    "p/",
    ["p/2023-01-01T10:00", "p/2023-01-02T01:00"],
    [["p/2023-01-02T01:00"], ["p/2023-01-01T10:00"]],
  ],
])("groups by %s", (_name, partitioning, prefix, keys, parts) => {
  expect(divide(keys, partitioning, parts.length, prefix)).toEqual(parts);
});

test("reads a prefix off once, and one slash after it", () => {
  const byStart: Partitioning = { type: "substring", startIndex: 0, endIndex: 1 };
  const [one, other] = ["logs/a", "logsa"].map((key) => divide([key], byStart, 5, "logs").findIndex((part) => part.length > 0));
  expect(one).toBe(other);
});

test.each<readonly [string, Partitioning]>([
  ["no pattern", { type: "regex", pattern: "" }],
  ["a pattern that does not parse", { type: "regex", pattern: "[" }],
  ["a back-reference", { type: "regex", pattern: "(a)\\1" }],
  ["a look-ahead", { type: "regex", pattern: "a(?=b)" }],
  ["a pattern that would become too large", { type: "regex", pattern: "((a{0,999}){0,999}){0,999}" }],
  ["a long pattern", { type: "regex", pattern: "a".repeat(1_025) }],
  ["a negative start", { type: "substring", startIndex: -1, endIndex: 1 }],
  ["an empty range", { type: "substring", startIndex: 2, endIndex: 2 }],
  ["no layout", { type: "date", dateFormat: "" }],
  ["a layout without a date", { type: "date", dateFormat: "constructor" }],
  ["a layout with the name of a zone", { type: "date", dateFormat: "2006 MST" }],
  ["a layout of many fields", { type: "date", dateFormat: "1".repeat(13) }],
  ["a layout with fractions", { type: "date", dateFormat: "15:04:05.000" }],
])("refuses %s", (_name, partitioning) => {
  expect(() => divide(["a"], partitioning, 2)).toThrow(expect.objectContaining({ kind: "invalid", reason: "FIELD_INVALID" }));
});

test("a pattern made to hang a backtracking engine ends at once, on the longest keys", () => {
  const keys = Array.from({ length: 50 }, (_, index) => `${"a".repeat(1_000)}!${index}`);
  expect(divide(keys, { type: "regex", pattern: "^(a+)+$" }, 2)[0]).toHaveLength(50);
}, 10_000);

test.each([0, -1, 1.5])("refuses %d partitions", (count) => {
  expect(() => partitionFilter({ partitioning: { type: "object" }, prefix: "", index: 0, count })).toThrow(/partitions/u);
});

test.each([-1, 2])("refuses partition %d of 2", (index) => {
  expect(() => partitionFilter({ partitioning: { type: "object" }, prefix: "", index, count: 2 })).toThrow(/no partition/u);
});
