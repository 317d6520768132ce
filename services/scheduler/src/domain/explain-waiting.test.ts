import type { NodeId } from "@skrei/domain";
import { expect, test } from "vitest";
import { aNode } from "../../../../test/kit/scheduler-records.ts";
import { describeWaiting, explainWaiting, hasOtherReasons } from "./explain-waiting.ts";
import type { WaitingQuestion } from "./explain-waiting.ts";

const CAPACITY = aNode().capacity;
const QUESTION: WaitingQuestion = {
  demand: { constraints: [], engine: "wasm", resources: { cpuMillis: 2_000, memoryBytes: 1, diskBytes: 1 } },
  partitions: 2,
  partitionsInBackoff: 0,
  nodes: [
    { node: aNode({ isDraining: true }), free: CAPACITY },
    { node: aNode({ id: "n-2" as NodeId }), free: { ...CAPACITY, cpuMillis: 500 } },
    { node: aNode({ id: "n-3" as NodeId }), free: { ...CAPACITY, cpuMillis: 0 } },
    { node: aNode({ id: "n-4" as NodeId }), free: CAPACITY },
  ],
  refusals: new Map([["n-4", { reason: "SOURCE_NOT_ALLOWED", message: "/data is not on the list" }]]),
  nowMs: 7,
};

test("each node's first reason is counted, what nodes answered included, most frequent first", () => {
  const waiting = explainWaiting(QUESTION);
  expect(waiting).toMatchObject({ partitions: 2, nodes: 4, isImpossible: false, evaluatedAtMs: 7 });
  expect(describeWaiting(waiting)).toBe(
    "2 partitions wait; 2 nodes: CAPACITY_BUSY (wants 2 cores, 0.5 free); 1 node: NODE_DRAINING (node node-1 is draining); 1 node: SOURCE_NOT_ALLOWED (/data is not on the list)",
  );
});

test("numbers alone are no news, other reasons are", () => {
  const before = explainWaiting(QUESTION);
  expect(hasOtherReasons(before, explainWaiting({ ...QUESTION, partitions: 9, nowMs: 8 }))).toBe(false);
  expect(hasOtherReasons(before, explainWaiting({ ...QUESTION, refusals: new Map() }))).toBe(true);
});

test("it is impossible when no node could take it even when idle, and not when there is no node yet", () => {
  const huge = { ...QUESTION.demand, resources: { cpuMillis: 1e6, memoryBytes: 1, diskBytes: 1 } };
  expect(explainWaiting({ ...QUESTION, demand: huge }).isImpossible).toBe(true);
  const none = explainWaiting({ ...QUESTION, nodes: [] });
  expect(none.isImpossible).toBe(false);
  expect(describeWaiting(none)).toBe("2 partitions wait; no node has joined");
});
