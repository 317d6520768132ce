import { EXECUTION_STATES } from "@skrei/domain";
import type { ExecutionReport, NodeId } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyReport, loseExecution } from "./apply-report.ts";
import { anExecution, aUse } from "../../../../test/kit/scheduler-records.ts";

const NODE = anExecution().nodeId;
const WANTED = { nodeId: NODE, isResultWanted: true };

function observed(state: ExecutionReport["state"], overrides: Partial<ExecutionReport> = {}): ExecutionReport {
  return { executionId: anExecution().id, epoch: 1, state, ...overrides };
}

test("a report of another node or epoch, or one that is not news, changes nothing", () => {
  const running = anExecution({ state: "running" });
  expect(applyReport(running, observed("completed", { epoch: 2 }), WANTED)).toBeUndefined();
  expect(applyReport(running, observed("completed"), { ...WANTED, nodeId: "n-other" as NodeId })).toBeUndefined();
  for (const state of ["assigned", "preparing", "running", "lost"] as const)
    expect(applyReport(running, observed(state), WANTED)).toBeUndefined();
});

test("an offered result is accepted at once, unless nobody wants it any more", () => {
  const running = anExecution({ state: "running" });
  expect(applyReport(running, observed("proposing", { resultCid: "cid" }), WANTED)).toMatchObject({
    verdict: "accepted",
    resultCid: "cid",
  });
  expect(applyReport(running, observed("completed"), { ...WANTED, isResultWanted: false })).toMatchObject({ verdict: "rejected" });
});

test("an accepted result that is never published does not stay accepted", () => {
  const publishing = anExecution({ state: "publishing", verdict: "accepted" });
  expect(applyReport(publishing, observed("failed"), WANTED)).toMatchObject({ state: "failed", verdict: "rejected" });
  const failure = { class: "infrastructure", reason: "NODE_LOST", message: "", hint: "" } as const;
  expect(loseExecution(publishing, failure, 9)).toMatchObject({ state: "lost", verdict: "rejected", desired: "stop", endedAtMs: 9 });
});

test("a result that the cluster's store has is known while its target is waited for, and stays known when the execution is stopped", () => {
  const publishing = anExecution({ state: "publishing", verdict: "accepted" });
  const facts = { resultCid: "cid", resultBytes: 7, manifestCid: "manifest" };
  const kept = applyReport(publishing, observed("publishing", { ...facts, exitCode: 9 }), WANTED);
  expect(kept).toEqual({ ...publishing, ...facts });
  if (kept === undefined) return;
  expect(applyReport(kept, observed("publishing", facts), WANTED)).toBeUndefined();
  expect(applyReport(kept, observed("publishing", { ...facts, manifestCid: "other" }), WANTED)).toBeUndefined();
  expect(applyReport(publishing, observed("publishing", { resultCid: "cid", resultBytes: 7 }), WANTED)).toBeUndefined();
  expect(applyReport(publishing, observed("cancelled", facts), WANTED)).toMatchObject({
    ...facts,
    state: "cancelled",
    verdict: "rejected",
  });
  expect(applyReport({ ...publishing, state: "lost" }, observed("publishing", facts), WANTED)).toBeUndefined();
});

test("what the scheduler stopped for a reason keeps the reason", () => {
  const failure = { class: "resource", reason: "EXECUTION_TIMEOUT", message: "", hint: "" } as const;
  expect(applyReport(anExecution({ state: "running", desired: "stop", failure }), observed("cancelled"), WANTED)?.failure).toEqual(failure);
});

test("a report that brings nothing but a larger count of network use changes that alone", () => {
  const networkUse = aUse({ host: "a.example", requests: 2 });
  const running = anExecution({ state: "running", networkUse });
  const more = aUse({ host: "a.example", requests: 3 });
  expect(applyReport(running, observed("running", { networkUse: more, exitCode: 9 }), WANTED)).toEqual({ ...running, networkUse: more });
  expect(applyReport(running, observed("preparing", { networkUse: more }), WANTED)).toEqual({ ...running, networkUse: more });
  expect(applyReport(running, observed("running", { networkUse }), WANTED)).toBeUndefined();
  expect(applyReport(running, observed("running", { networkUse: aUse({ host: "a.example", requests: 1 }) }), WANTED)).toBeUndefined();
  expect(applyReport(running, observed("running", { networkUse: more, epoch: 2 }), WANTED)).toBeUndefined();
});

test("the report that ends an execution carries its final count; a late one changes nothing, and a smaller one takes nothing away", () => {
  const few = aUse({ host: "a.example", requests: 2 });
  const many = aUse({ host: "a.example", requests: 9 });
  const running = anExecution({ state: "running", networkUse: few });
  const ended = applyReport(running, observed("failed", { networkUse: many }), WANTED);
  expect(ended).toMatchObject({ state: "failed", networkUse: many });
  expect(applyReport({ ...running, networkUse: many }, observed("failed", { networkUse: few }), WANTED)).toMatchObject({
    networkUse: many,
  });
  expect(applyReport(running, observed("failed"), WANTED)).toMatchObject({ networkUse: few });
  for (const state of ["running", "failed"] as const) {
    expect(applyReport({ ...running, state: "failed" }, observed(state, { networkUse: many }), WANTED)).toBeUndefined();
    expect(applyReport({ ...running, state: "lost" }, observed(state, { networkUse: many }), WANTED)).toBeUndefined();
  }
});

test("what is on its way is that of the state the execution is in, and a late report of an earlier one changes nothing", () => {
  const transfer = { kind: "inputs", bytesDone: 1, bytesTotal: 2 } as const;
  const preparing = anExecution({ state: "preparing" });
  const moving = applyReport(preparing, observed("preparing", { transfer, exitCode: 9 }), WANTED);
  expect(moving).toEqual({ ...preparing, transfer });
  if (moving === undefined) return;
  expect(applyReport(moving, observed("preparing", { transfer: { ...transfer } }), WANTED)).toBeUndefined();
  expect(applyReport(moving, observed("preparing"), WANTED)).toEqual(preparing);
  const running = applyReport(moving, observed("running"), WANTED);
  expect(running).not.toHaveProperty("transfer");
  expect(applyReport(anExecution({ state: "running" }), observed("preparing", { transfer }), WANTED)).toBeUndefined();
  for (const state of ["completed", "failed", "cancelled"] as const)
    expect(applyReport(moving, observed(state, { transfer }), WANTED)).not.toHaveProperty("transfer");
  const failure = { class: "infrastructure", reason: "NODE_LOST", message: "", hint: "" } as const;
  expect(loseExecution(moving, failure, 9)).not.toHaveProperty("transfer");
});

test("whatever order reports come in, the state never moves back and ends where the furthest report is", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EXECUTION_STATES)), (states) => {
      let execution = anExecution();
      const seen = new Set([execution.state]);
      for (const state of states) {
        const next = applyReport(execution, observed(state), WANTED);
        if (next === undefined) continue;
        expect(seen.has(next.state)).toBe(false);
        seen.add(next.state);
        execution = next;
      }
    }),
  );
});
