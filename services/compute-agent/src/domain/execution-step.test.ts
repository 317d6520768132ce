import { EXECUTION_STATES, isExecutionEnded, type ExecutionId, type JobId, type Task } from "@skrei/domain";
import { expect, test } from "vitest";
import type { Assignment } from "./assignment.ts";
import { newRecord, reportOf, type ExecutionRecord, type Observed } from "./execution-record.ts";
import { nextStep } from "./execution-step.ts";

const failure = { class: "user", reason: "EXIT_NONZERO", message: "the task ended with exit code 1", hint: "" } as const;
const result = { cid: "bafy", sizeBytes: 7 };

test.each([
  ["assigned", {}, {}, "prepare"],
  ["preparing", {}, {}, "prepare"],
  ["running", {}, {}, "attend"],
  ["running", { failure }, {}, "keepFailed"],
  ["proposing", {}, {}, "propose"],
  ["proposing", { result }, {}, "awaitVerdict"],
  ["proposing", { result }, { verdict: "accepted" }, "publish"],
  ["proposing", { result }, { isAcceptedAtOnce: true }, "publish"],
  ["proposing", { result }, { verdict: "rejected", isAcceptedAtOnce: true }, "discard"],
  ["publishing", { result }, {}, "publish"],
  ["publishing", { result }, { verdict: "rejected" }, "discard"],
] as const)("%s with %o and %o leads to %s", (state, observed, assignment, step) => {
  expect(nextStep(aRecord({ state, ...observed }, assignment))).toBe(step);
});

test("whatever has not ended is cancelled when it shall stop or was released", () => {
  for (const state of EXECUTION_STATES) {
    const step = isExecutionEnded(state) ? "nothing" : "cancel";
    expect(nextStep(aRecord({ state }, { desired: "stop" }))).toBe(step);
    expect(nextStep({ ...aRecord({ state }), isReleased: true })).toBe(step);
  }
});

test("a failure and the result kept with it are told when the execution ends, not before", () => {
  const observed = { failure, result, manifestCid: "bafz" };
  expect(reportOf(aRecord({ state: "running", failure, result }))).not.toHaveProperty("failure");
  expect(reportOf(aRecord({ state: "running", failure, result }))).not.toHaveProperty("resultCid");
  expect(reportOf(aRecord({ state: "failed", ...observed }))).toMatchObject({
    failure,
    resultCid: "bafy",
    resultBytes: 7,
    manifestCid: "bafz",
  });
});

test("a result that was not published is none", () => {
  expect(reportOf(aRecord({ state: "failed", failure, result }))).not.toHaveProperty("resultCid");
});

function aRecord(observed: Observed, extra: Partial<Assignment> = {}): ExecutionRecord {
  const job = { jobId: "j-1" as JobId, jobVersion: 1, jobName: "a job", partitionCount: 1, task: {} as Task };
  const base = { executionId: "e-1" as ExecutionId, job, partition: 0, attempt: 1, epoch: 1, askId: "" };
  return { ...newRecord({ ...base, desired: "run", verdict: "open", isAcceptedAtOnce: false, ...extra }), observed };
}
