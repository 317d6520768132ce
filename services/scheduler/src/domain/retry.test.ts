import { LIMITS } from "@skrei/domain";
import type { Failure, NodeId, Reason } from "@skrei/domain";
import { expect, test } from "vitest";
import { anExecution, POLICY } from "../../../../test/kit/scheduler-records.ts";
import { decideRetry, NO_ATTEMPTS, withAttempt } from "./retry.ts";

function failure(of: Failure["class"], reason: Reason): Failure {
  return { class: of, reason, message: "", hint: "" };
}

const NOW = { random: 0, fittingNodes: () => 2 };
const FIRST = { ...NO_ATTEMPTS, attempts: 1, failed: 1 };

test.each([
  [failure("user", "EXIT_NONZERO"), 1, "gaveUp"],
  [undefined, 7, "retryAfter"],
  [failure("user", "EXIT_NONZERO"), 7, "retryAfter"],
  [failure("resource", "OUT_OF_MEMORY"), 137, "gaveUp"],
  [failure("resource", "OUT_OF_MEMORY"), 7, "retryAfter"],
  [failure("resource", "EXECUTION_TIMEOUT"), undefined, "gaveUp"],
  [failure("infrastructure", "ENGINE_FAILED"), undefined, "retryAfter"],
])("a first failure of %j with exit code %s: %s", (reason, exitCode, outcome) => {
  const ended = anExecution({ state: "failed", ...(reason && { failure: reason }), ...(exitCode !== undefined && { exitCode }) });
  expect(decideRetry({ ...POLICY, retryExitCodes: [7] }, FIRST, ended, NOW).outcome).toBe(outcome);
});

test.each([failure("user", "EXIT_NONZERO"), failure("resource", "OUT_OF_DISK")])(
  "failures that will repeat are retried when asked: %j",
  (of) => {
    const ended = anExecution({ state: "failed", failure: of });
    expect(decideRetry({ ...POLICY, retriesUserFailures: true }, FIRST, ended, NOW).outcome).toBe("retryAfter");
  },
);

test("waits double with each failure, stay below their bound and get up to a half of jitter", () => {
  const ended = anExecution({ state: "failed", failure: failure("infrastructure", "ENGINE_FAILED") });
  const policy = { ...POLICY, attemptsMax: 20 };
  const delay = (failed: number, random: number): unknown => decideRetry(policy, { ...FIRST, failed }, ended, { ...NOW, random });
  expect(delay(1, 0)).toEqual({ outcome: "retryAfter", delayMs: 1_000 });
  expect(delay(3, 0.5)).toEqual({ outcome: "retryAfter", delayMs: 5_000 });
  expect(delay(15, 1)).toEqual({ outcome: "retryAfter", delayMs: 90_000 });
});

test("lost and rejected executions spend no attempts but have a bound of their own", () => {
  let history = NO_ATTEMPTS;
  const lost = anExecution({ state: "lost" });
  for (let attempt = 1; attempt < LIMITS.blamelessAttemptsMax; attempt++) {
    history = withAttempt(history, { ...lost, attempt });
    expect(decideRetry(POLICY, history, lost, NOW).outcome).toBe("retryAfter");
  }
  expect(history.failed).toBe(0);
  expect(decideRetry(POLICY, withAttempt(history, lost), lost, NOW).outcome).toBe("gaveUp");
});

test("nodes are remembered once each", () => {
  const once = withAttempt(NO_ATTEMPTS, anExecution({ state: "failed" }));
  const twice = withAttempt(withAttempt(once, anExecution({ state: "failed" })), anExecution({ state: "lost", nodeId: "n-2" as NodeId }));
  expect(twice.nodeIds).toEqual([anExecution().nodeId, "n-2"]);
});

/** What is decided after each rejection in turn, until it gives up. */
function afterRejections(
  nodes: readonly string[],
  { fitting, reason = "IMAGE_PULL_FAILED" }: { fitting: number; reason?: Reason },
): string[] {
  const decisions: string[] = [];
  let history = NO_ATTEMPTS;
  for (const [i, node] of nodes.entries()) {
    const refused = anExecution({ state: "rejected", attempt: i + 1, nodeId: node as NodeId, failure: failure("infrastructure", reason) });
    history = withAttempt(history, refused);
    const decision = decideRetry(POLICY, history, refused, { random: 0, fittingNodes: () => fitting });
    decisions.push(decision.outcome === "gaveUp" ? `gaveUp ${decision.note}` : String(decision.delayMs));
    if (decision.outcome === "gaveUp") break;
  }
  return decisions;
}

test("a rejection for good is tried on other nodes, and on the same as often as attempts are allowed", () => {
  expect(afterRejections(["a", "a", "a", "a"], { fitting: 1 })).toEqual(["1000", "1000", "gaveUp tried 3 times on 1 node, same answer"]);
  expect(afterRejections(["a", "b", "c", "d", "a"], { fitting: 4 })).toEqual(["0", "1000", "2000", "gaveUp tried on 4 nodes, same answer"]);
});

test.each<Reason>(["SOURCE_ACCESS_DENIED", "SOURCE_UNREACHABLE"])("a rejection for %s is an answer: it has an end", (reason) => {
  expect(afterRejections(["a", "a", "a", "a"], { fitting: 1, reason }).at(-1)).toBe("gaveUp tried 3 times on 1 node, same answer");
});

test("in a cluster of any size some answers are enough, long before the bound of blameless ones", () => {
  const decisions = afterRejections(
    Array.from({ length: 50 }, (_, i) => `n-${String(i)}`),
    { fitting: 10_000 },
  );
  expect(decisions.at(-1)).toBe("gaveUp tried on 8 nodes, same answer");
});

test.each<Reason>(["CAPACITY_BUSY", "ENGINE_FAILED", "SHUTTING_DOWN"])("a rejection for %s passes and is no answer", (reason) => {
  const decisions = afterRejections(
    Array.from({ length: LIMITS.blamelessAttemptsMax - 1 }, () => "a"),
    { fitting: 1, reason },
  );
  expect(decisions.filter((decision) => decision.startsWith("gaveUp"))).toEqual([]);
});
