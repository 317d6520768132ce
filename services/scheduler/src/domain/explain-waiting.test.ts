import type { NodeId } from "@skrei/domain";
import { expect, test } from "vitest";
import { aNode } from "../../../../test/kit/scheduler-records.ts";
import { describeWaiting, explainWaiting, hasOtherReasons } from "./explain-waiting.ts";
import type { WaitingQuestion } from "./explain-waiting.ts";
import type { Refusal } from "./filter-nodes.ts";

const CAPACITY = aNode().capacity;
const QUESTION: WaitingQuestion = {
  demand: { constraints: [], engine: "wasm", networkMode: "none", resources: { cpuMillis: 2_000, memoryBytes: 1, diskBytes: 1 } },
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

test("it is impossible when every node that would fit says that it never takes it", () => {
  const refused = { reason: "SOURCE_NOT_ALLOWED", message: "/data is not on the list" } as const;
  const nodes = ["n-1", "n-2"].map((id) => ({ node: aNode({ id: id as NodeId }), free: CAPACITY }));
  const refusals = new Map<string, Refusal>([["n-1", refused]]);
  expect(explainWaiting({ ...QUESTION, nodes, refusals }).isImpossible).toBe(false);
  expect(explainWaiting({ ...QUESTION, nodes, refusals: refusals.set("n-2", refused) }).isImpossible).toBe(true);
  refusals.set("n-2", { reason: "BID_TIMED_OUT", message: "" });
  expect(explainWaiting({ ...QUESTION, nodes, refusals }).isImpossible).toBe(false);
});

test("what lists lack is told list by list, up to a dozen of them, and what they lack now is news", () => {
  const nodes = Array.from({ length: 30 }, (_, i) => ({ node: aNode({ id: `n-${i}` as NodeId }), free: CAPACITY }));
  const lacking = (of: (i: number) => string): Map<string, Refusal> =>
    new Map(nodes.map(({ node: { id } }, i) => [id, { reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: of(i) }]));
  const two = explainWaiting({ ...QUESTION, nodes, refusals: lacking((i) => (i < 10 ? "lacks a" : "lacks b")) });
  expect(two).toMatchObject({
    isImpossible: true,
    reasons: [
      { message: "lacks b", nodes: 20 },
      { message: "lacks a", nodes: 10 },
    ],
  });
  const other = explainWaiting({ ...QUESTION, nodes, refusals: lacking((i) => (i < 10 ? "lacks c" : "lacks b")) });
  expect(hasOtherReasons(two, other)).toBe(true);
  const many = explainWaiting({ ...QUESTION, nodes, refusals: lacking((i) => `lacks ${i}`) });
  expect(many.reasons.length).toBeLessThanOrEqual(13);
  expect(many.reasons.reduce((sum, reason) => sum + reason.nodes, 0)).toBe(30);
});

test("who waits before an attempt is told until when and after what", () => {
  const failure = { class: "infrastructure", reason: "IMAGE_PULL_FAILED", message: "no such image", hint: "" } as const;
  const waiting = explainWaiting({ ...QUESTION, nodes: [], partitions: 1, partitionsInBackoff: 1, backoff: { untilMs: 1_000, failure } });
  expect(waiting.reasons).toEqual([
    {
      reason: "RETRY_BACKOFF",
      message: "1 partition waits before its next attempt at 1970-01-01T00:00:01.000Z, after IMAGE_PULL_FAILED (no such image)",
      nodes: 0,
    },
  ]);
});
