import { expect, test } from "vitest";
import { heldDigest } from "./held-digest.ts";
import type { HeldExecution } from "./held-digest.ts";
import type { ExecutionId } from "./ids.ts";

const A: HeldExecution = { id: "e-01j0000000000000000000000a" as ExecutionId, epoch: 1, state: "running" };
const B: HeldExecution = { id: "e-01j0000000000000000000000b" as ExecutionId, epoch: 2, state: "assigned" };

test("nothing held gives the offset basis of FNV-1a", () => {
  expect(heldDigest([])).toBe("cbf29ce484222325");
});

test("the digest is FNV-1a of the sorted lines, whatever their order", () => {
  expect(heldDigest([B, A])).toBe(fnv(`${A.id}:1:running\n${B.id}:2:assigned\n`));
  expect(heldDigest([A, B])).toBe(heldDigest([B, A]));
});

test("another state or epoch gives another digest", () => {
  expect(heldDigest([{ ...A, state: "proposing" }])).not.toBe(heldDigest([A]));
  expect(heldDigest([{ ...A, epoch: 2 }])).not.toBe(heldDigest([A]));
});

function fnv(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
  return hash.toString(16).padStart(16, "0");
}
