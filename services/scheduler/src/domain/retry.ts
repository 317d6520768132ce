import { LIMITS } from "@skrei/domain";
import type { Execution, Failure, NodeId, RetryPolicy } from "@skrei/domain";

/** What earlier attempts of a partition came to. */
export interface AttemptHistory {
  /** Executions so far, whatever became of them. */
  readonly attempts: number;
  /** Those that count against `attemptsMax`. */
  readonly failed: number;
  /** Rejected and lost ones, which count against a bound of their own. */
  readonly blameless: number;
  /** Where they failed or were refused. */
  readonly nodeIds: readonly NodeId[];
}

export const NO_ATTEMPTS: AttemptHistory = { attempts: 0, failed: 0, blameless: 0, nodeIds: [] };

export type RetryDecision = { readonly outcome: "retryAfter"; readonly delayMs: number } | { readonly outcome: "gaveUp" };

/** The history with one more ended execution. */
export function withAttempt(history: AttemptHistory, { state, nodeId, failure, attempt }: Execution): AttemptHistory {
  const isBlamed = state === "failed" || (state === "cancelled" && failure !== undefined);
  return {
    attempts: Math.max(history.attempts, attempt),
    failed: history.failed + (isBlamed ? 1 : 0),
    blameless: history.blameless + (isBlamed ? 0 : 1),
    nodeIds: history.nodeIds.includes(nodeId) ? history.nodeIds : [...history.nodeIds.slice(1 - NODES_REMEMBERED), nodeId],
  };
}

/** Whether a partition gets another attempt after `ended`, which `history` includes already. `random` is in [0, 1). */
export function decideRetry(policy: RetryPolicy, history: AttemptHistory, ended: Execution, random: number): RetryDecision {
  if (history.blameless >= LIMITS.blamelessAttemptsMax) return { outcome: "gaveUp" };
  if (ended.state !== "failed" && ended.failure?.reason !== "EXECUTION_TIMEOUT") {
    // No blame on the task: at once elsewhere, with a growing wait only when it happens again and again.
    return { outcome: "retryAfter", delayMs: history.blameless <= 1 ? 0 : backoffMs(policy, history.blameless - 1, random) };
  }
  if (history.failed >= policy.attemptsMax || !isRetryable(policy, ended)) return { outcome: "gaveUp" };
  return { outcome: "retryAfter", delayMs: backoffMs(policy, history.failed, random) };
}

function isRetryable({ retriesUserFailures, retryExitCodes }: RetryPolicy, { failure, exitCode }: Execution): boolean {
  if (exitCode !== undefined && retryExitCodes.includes(exitCode)) return true;
  switch (classOf(failure)) {
    case "user":
      return retriesUserFailures;
    case "resource":
      return failure?.reason === "EXECUTION_TIMEOUT";
    case "infrastructure":
      return true;
  }
}

/** A failure without a class is a non-zero exit code: the task's own. */
function classOf(failure: Failure | undefined): Failure["class"] {
  return failure?.class ?? "user";
}

/** Doubles with each failure, bounded, with jitter of up to a half so that partitions that failed together do not return together. */
function backoffMs({ backoffMs: first, backoffMsMax }: RetryPolicy, failures: number, random: number): number {
  return Math.round(Math.min(backoffMsMax, first * 2 ** (failures - 1)) * (1 + random / 2));
}

/** Enough to try others first; more would only cost memory. */
const NODES_REMEMBERED = 8;
