import { EXECUTION_STATES } from "@skrei/domain";
import type { NodeId } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyReport, loseExecution } from "./apply-report.ts";
import type { Observation } from "./apply-report.ts";
import { anExecution } from "../../../../test/kit/scheduler-records.ts";

const NODE = anExecution().nodeId;
const WANTED = { nodeId: NODE, isResultWanted: true };

function observed(state: Observation["state"], overrides: Partial<Observation> = {}): Observation {
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

test("what the scheduler stopped for a reason keeps the reason", () => {
  const failure = { class: "resource", reason: "EXECUTION_TIMEOUT", message: "", hint: "" } as const;
  expect(applyReport(anExecution({ state: "running", desired: "stop", failure }), observed("cancelled"), WANTED)?.failure).toEqual(failure);
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
