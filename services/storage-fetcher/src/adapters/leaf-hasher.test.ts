import { hash } from "node:crypto";
import fc from "fast-check";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, CHUNK_BYTES } from "@skrei/unixfs/file-dag.ts";
import { expect, test } from "vitest";
import { LeafHasher } from "./leaf-hasher.ts";

const bytes = Buffer.alloc(3 * CHUNK_BYTES + 5, "some text of no length that divides the chunk");

test.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, bytes.length])("%d bytes give the file's content id", (sizeBytes) => {
  const hasher = new LeafHasher();
  hasher.add(bytes.subarray(0, sizeBytes));
  expect(hasher.end()).toMatchObject({ sizeBytes, cid: expectedCid(bytes.subarray(0, sizeBytes)) });
});

test("however the bytes come, they are the same leaves", () => {
  const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 });
  fc.assert(
    fc.property(cuts, (points) => {
      const hasher = new LeafHasher();
      let start = 0;
      for (const end of [...points.toSorted((a, b) => a - b), bytes.length]) {
        hasher.add(bytes.subarray(start, end));
        start = end;
      }
      expect(hasher.end().cid.toString()).toBe(expectedCid(bytes).toString());
    }),
    { numRuns: 20 },
  );
});

function expectedCid(file: Buffer): ReturnType<typeof rawCid> {
  const leaves = Array.from({ length: Math.max(1, Math.ceil(file.length / CHUNK_BYTES)) }, (_, at) => {
    const leaf = file.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
    return { cid: rawCid(hash("sha256", leaf, "buffer")), sizeBytes: leaf.length, dagBytes: leaf.length };
  });
  return buildFileDag(leaves, () => undefined).cid;
}
