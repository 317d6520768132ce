import { expect, test } from "vitest";
import { uploadBatches } from "./upload-batches.ts";

const MIB = 1_048_576;

test("small files come by the thousand, so that neither a message nor the files open at once grow with them", () => {
  const cids = Array.from({ length: 2_500 }, (_, index) => `bafkreiabcdefghijklmnopqrstuvwxyz${index}`);
  const blocks = new Map(cids.map((cid) => [cid, { path: `/${cid}`, offset: 0, sizeBytes: 4 }]));
  const batches = [...uploadBatches({ blocks }, cids)];
  expect(batches.map(({ length }) => length)).toEqual([1_000, 1_000, 500]);
  expect(batches.flat().map(([cid]) => cid)).toEqual(cids);
});

test("large blocks come as many as a message takes, and one that is larger alone", () => {
  const sizes = { a: MIB, b: MIB, c: MIB, d: MIB, e: 4 * MIB, f: 1 };
  const blocks = new Map(Object.entries(sizes).map(([cid, sizeBytes]) => [cid, { path: cid, offset: 0, sizeBytes }]));
  const batches = [...uploadBatches({ blocks }, [...blocks.keys(), "absent"])];
  expect(batches.map((batch) => batch.map(([cid]) => cid).join(""))).toEqual(["abc", "d", "e", "f"]);
});
