import type { NodeId } from "@skrei/domain";
import { expect, test } from "vitest";
import { aNode } from "../../../../test/kit/scheduler-records.ts";
import { NodeIndex, shapeOf } from "./node-index.ts";
import { rankNodes, type RankOptions } from "./rank-nodes.ts";

const SHAPE = shapeOf({ engine: "wasm", networkMode: "none", constraints: [] });
const ONE = { cpuMillis: 1_000, memoryBytes: 1, diskBytes: 1 };

/** Every node has four cores; those named have one left. */
function ranked(count: number, change: Partial<RankOptions>, ...busy: readonly number[]): readonly number[] {
  const index = new NodeIndex();
  for (let slot = 0; slot < count; slot++) index.upsert(aNode({ id: `n-${slot}` as NodeId }));
  for (const slot of busy) index.reserve(slot, ONE, 3);
  const options = { size: ONE, nodesMax: 3, partitions: 1, random: Math.random, isExcluded: () => false, isAvoided: () => false };
  return rankNodes(index, index.eligible(SHAPE), { ...options, likely: [], ...change }).slots;
}

test.for([10, 1_000])("of %i nodes, one that may have the data is asked first, though others are freer", (count) => {
  const slots = ranked(count, { likely: [7] }, 7);
  expect(slots[0]).toBe(7);
  expect(slots).toHaveLength(3);
});

test("having the data does not help a node that is full, refused or failed the job", () => {
  const likely = [7];
  expect(ranked(10, { likely, isExcluded: (slot) => slot === 7 })).not.toContain(7);
  expect(ranked(10, { likely, isAvoided: (slot) => slot === 7 })).not.toContain(7);
  expect(ranked(10, { likely, size: { ...ONE, cpuMillis: 2_000 } }, 7)).not.toContain(7);
});
