import { expect, test } from "vitest";
import { inputsFileOf, type InputShare } from "./inputs-file.ts";

const MIB = 1_048_576;

function share(target: string, files: number, path: (index: number) => string = (index) => `folder/file-${index}`): InputShare {
  const list = Array.from({ length: files }, (_, index) => ({ path: path(index), sizeBytes: 7 }));
  return { target, alias: "", digest: "cid:x", sizeBytes: 7 * files, files: list, count: files, isCut: false };
}

test("a task reads which partition it is, and each file it got with where a piece begins", () => {
  const piece = { path: "a.csv", sizeBytes: 10, offset: 90, sourceBytes: 100 };
  const text = inputsFileOf({ index: 1, count: 4 }, [{ ...share("/in", 0), alias: "lines", files: [piece], count: 1 }], MIB);
  expect(JSON.parse(text)).toEqual({
    partition: { index: 1, count: 4 },
    inputs: [{ target: "/in", alias: "lines", digest: "cid:x", sizeBytes: 0, files: [piece], count: 1, isCut: false }],
  });
});

test.for([
  { title: "plain names", path: (index: number): string => `folder/file-${index}` },
  { title: "names of control characters", path: (index: number): string => `${"\u0001".repeat(200)}${index}` },
  { title: "names of emoji", path: (index: number): string => `${"🦐".repeat(100)}${index}` },
  { title: "names of quotes", path: (index: number): string => `${'"\\'.repeat(100)}${index}` },
])("a list with $title is cut at its bound, says so, and keeps the count", ({ path }) => {
  const text = inputsFileOf({ index: 0, count: 2 }, [share("/a", 50_000, path), share("/b", 3)], MIB);
  expect(Buffer.byteLength(text)).toBeLessThan(MIB + 1_024);
  const { inputs } = JSON.parse(text) as { inputs: InputShare[] };
  expect(inputs.map(({ count, isCut }) => ({ count, isCut }))).toEqual([
    { count: 50_000, isCut: true },
    { count: 3, isCut: false },
  ]);
  expect(inputs[0]?.files.length).toBeGreaterThan(300);
});
