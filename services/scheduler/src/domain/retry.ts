import { LIMITS } from "@skrei/domain";
import type { Execution, Failure, NodeId, Reason, RetryPolicy } from "@skrei/domain";
import { isLasting } from "./lasting-reasons.ts";

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
  /** The newest reason why it was rejected for good, with who gave it. */
  readonly answer?: { readonly reason: Reason; readonly times: number; readonly nodeIds: readonly NodeId[] };
}

/** What a decision depends on besides the history. */
export interface RetryContext {
  /** In [0, 1). */
  readonly random: number;
  /** Nodes that could be tried; asked only when a node rejected the partition for good. */
  readonly fittingNodes: () => number;
}

export const NO_ATTEMPTS: AttemptHistory = { attempts: 0, failed: 0, blameless: 0, nodeIds: [] };

export type RetryDecision =
  | { readonly outcome: "retryAfter"; readonly delayMs: number }
  | { readonly outcome: "gaveUp"; readonly note: string };

/** The history with one more ended execution. */
export function withAttempt(history: AttemptHistory, ended: Execution): AttemptHistory {
  const { state, nodeId, failure, attempt } = ended;
  const isBlamed = state === "failed" || (state === "cancelled" && failure !== undefined);
  return {
    attempts: Math.max(history.attempts, attempt),
    failed: history.failed + (isBlamed ? 1 : 0),
    blameless: history.blameless + (isBlamed ? 0 : 1),
    nodeIds: history.nodeIds.includes(nodeId) ? history.nodeIds : [...history.nodeIds.slice(1 - NODES_REMEMBERED), nodeId],
    ...answerAfter(history, ended),
  };
}

/** Whether a partition gets another attempt after `ended`, which `history` includes already. */
export function decideRetry(policy: RetryPolicy, history: AttemptHistory, ended: Execution, context: RetryContext): RetryDecision {
  const { random } = context;
  if (history.blameless >= LIMITS.blamelessAttemptsMax) return GAVE_UP;
  if (ended.state === "rejected" && isLasting(ended.failure?.reason)) return decideAfterAnswer(policy, history, context);
  if (isBlameless(ended)) {
    // No blame on the task: at once elsewhere, with a growing wait only when it happens again and again.
    return { outcome: "retryAfter", delayMs: history.blameless <= 1 ? 0 : backoffMs(policy, history.blameless - 1, random) };
  }
  if (history.failed >= policy.attemptsMax || !isRetryable(policy, ended)) return GAVE_UP;
  return { outcome: "retryAfter", delayMs: backoffMs(policy, history.failed, random) };
}

function isBlameless({ state, failure }: Execution): boolean {
  return state !== "failed" && failure?.reason !== "EXECUTION_TIMEOUT";
}

/** Each node that fits is tried first, each attempt of the policy is spent, and some nodes speak for all. */
function decideAfterAnswer(policy: RetryPolicy, { answer, blameless }: AttemptHistory, context: RetryContext): RetryDecision {
  const { times, nodeIds } = answer ?? NO_ANSWER;
  const hasTriedAll = nodeIds.length >= Math.min(context.fittingNodes(), ANSWERS_MAX);
  if (times >= ANSWERS_MAX || (hasTriedAll && times >= policy.attemptsMax))
    return { outcome: "gaveUp", note: describeAnswer(times, nodeIds.length) };
  const delayMs = hasTriedAll || blameless > 1 ? backoffMs(policy, Math.max(1, blameless - 1), context.random) : 0;
  return { outcome: "retryAfter", delayMs };
}

function describeAnswer(times: number, nodes: number): string {
  const tried = times > nodes ? `tried ${String(times)} times` : "tried";
  return `${tried} on ${String(nodes)} ${nodes === 1 ? "node" : "nodes"}, same answer`;
}

function answerAfter({ answer }: AttemptHistory, ended: Pick<Execution, "state" | "nodeId" | "failure">): Pick<AttemptHistory, "answer"> {
  const reason = ended.failure?.reason;
  if (ended.state !== "rejected" || reason === undefined || !isLasting(reason)) return answer === undefined ? {} : { answer };
  if (answer?.reason !== reason) return { answer: { reason, times: 1, nodeIds: [ended.nodeId] } };
  const nodeIds = answer.nodeIds.includes(ended.nodeId) ? answer.nodeIds : [...answer.nodeIds, ended.nodeId];
  return { answer: { reason, times: answer.times + 1, nodeIds } };
}

function isRetryable({ retriesUserFailures, retryExitCodes }: RetryPolicy, { failure, exitCode }: Execution): boolean {
  if (exitCode !== undefined && retryExitCodes.includes(exitCode)) return true;
  switch (classOf(failure)) {
    case "user":
    case "resource":
      return retriesUserFailures;
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

const NO_ANSWER = { times: 0, nodeIds: [] };
const GAVE_UP: RetryDecision = { outcome: "gaveUp", note: "" };
/** So many same answers are one, however many nodes there are; well below the bound of blameless attempts. */
const ANSWERS_MAX = 8;
/** Enough to try others first; more would only cost memory. */
const NODES_REMEMBERED = 8;
