import type { InputPartition } from "@skrei/domain";
import { expect, test } from "vitest";
import { divideFiles } from "./divide-files.ts";

const files = Array.from({ length: 40 }, (_, index) => "a".repeat(1_000) + index).map((path) => ({ path, key: path }));
const SLOW = "(?:a?){1000}a{1000}";

test.each<InputPartition>([
  { by: "regex", pattern: SLOW, glob: "" },
  { by: "files", glob: "a*" },
])("a division gives others their turn, and can be left: %j", async (partition) => {
  const left = new AbortController();
  setImmediate(() => left.abort(new Error("left")));
  // By a glob, many files take as long as few by the pattern.
  const many = partition.by === "regex" ? files : Array.from({ length: 5_000 }, () => files).flat();
  const slice = { partition, place: { index: 0, count: 2 } };
  await expect(divideFiles(many, slice, { prefix: "", signal: left.signal })).rejects.toThrow("left");
});
