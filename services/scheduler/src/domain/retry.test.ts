import { LIMITS } from "@skrei/domain";
import type { Failure, NodeId, Reason } from "@skrei/domain";
import { expect, test } from "vitest";
import { anExecution, POLICY } from "../../../../test/kit/scheduler-records.ts";
import { decideRetry, NO_ATTEMPTS, withAttempt } from "./retry.ts";

function failure(of: Failure["class"], reason: Reason): Failure {
  return { class: of, reason, message: "", hint: "" };
}

const FIRST = { ...NO_ATTEMPTS, attempts: 1, failed: 1 };

test.each([
  [failure("user", "EXIT_NONZERO"), 1, "gaveUp"],
  [undefined, 7, "retryAfter"],
  [failure("user", "EXIT_NONZERO"), 7, "retryAfter"],
  [failure("resource", "OUT_OF_MEMORY"), 137, "gaveUp"],
  [failure("resource", "EXECUTION_TIMEOUT"), undefined, "retryAfter"],
  [failure("infrastructure", "ENGINE_FAILED"), undefined, "retryAfter"],
])("a first failure of %j with exit code %s: %s", (reason, exitCode, outcome) => {
  const ended = anExecution({ state: "failed", ...(reason && { failure: reason }), ...(exitCode !== undefined && { exitCode }) });
  expect(decideRetry({ ...POLICY, retryExitCodes: [7] }, FIRST, ended, 0).outcome).toBe(outcome);
});

test("user failures are retried when asked", () => {
  const ended = anExecution({ state: "failed", failure: failure("user", "EXIT_NONZERO") });
  expect(decideRetry({ ...POLICY, retriesUserFailures: true }, FIRST, ended, 0).outcome).toBe("retryAfter");
});

test("waits double with each failure, stay below their bound and get up to a half of jitter", () => {
  const ended = anExecution({ state: "failed", failure: failure("infrastructure", "ENGINE_FAILED") });
  const policy = { ...POLICY, attemptsMax: 20 };
  const delay = (failed: number, random: number): unknown => decideRetry(policy, { ...FIRST, failed }, ended, random);
  expect(delay(1, 0)).toEqual({ outcome: "retryAfter", delayMs: 1_000 });
  expect(delay(3, 0.5)).toEqual({ outcome: "retryAfter", delayMs: 5_000 });
  expect(delay(15, 1)).toEqual({ outcome: "retryAfter", delayMs: 90_000 });
});

test("lost and rejected executions spend no attempts but have a bound of their own", () => {
  let history = NO_ATTEMPTS;
  const lost = anExecution({ state: "lost" });
  for (let attempt = 1; attempt < LIMITS.blamelessAttemptsMax; attempt++) {
    history = withAttempt(history, { ...lost, attempt });
    expect(decideRetry(POLICY, history, lost, 0).outcome).toBe("retryAfter");
  }
  expect(history.failed).toBe(0);
  expect(decideRetry(POLICY, withAttempt(history, lost), lost, 0).outcome).toBe("gaveUp");
});

test("nodes are remembered once each", () => {
  const once = withAttempt(NO_ATTEMPTS, anExecution({ state: "failed" }));
  const twice = withAttempt(withAttempt(once, anExecution({ state: "failed" })), anExecution({ state: "lost", nodeId: "n-2" as NodeId }));
  expect(twice.nodeIds).toEqual([anExecution().nodeId, "n-2"]);
});
