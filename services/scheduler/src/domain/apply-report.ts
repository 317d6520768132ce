import { isExecutionEnded, isExecutionMoveForward } from "@skrei/domain";
import type { Execution, ExecutionId, ExecutionState, NodeId } from "@skrei/domain";
import { mergeUse } from "./merge-use.ts";

/** What a node observed of one execution. */
export interface Observation extends Pick<
  Execution,
  | "epoch"
  | "state"
  | "exitCode"
  | "failure"
  | "resultCid"
  | "resultBytes"
  | "manifestCid"
  | "peakMemoryBytes"
  | "networkUse"
  | "startedAtMs"
  | "endedAtMs"
> {
  readonly executionId: ExecutionId;
}

/**
 * The execution after a report of its node, or undefined when the report changes nothing: unknown node, other epoch,
 * or a state that is not ahead of the known one and no larger count of its network use. Offered results are accepted at once, while
 * `isResultWanted`. After the end nothing changes any more, the count included: the report that ends an execution carries the final one.
 */
export function applyReport(
  execution: Execution,
  report: Observation,
  context: { nodeId: NodeId; isResultWanted: boolean },
): Execution | undefined {
  if (execution.nodeId !== context.nodeId || execution.epoch !== report.epoch) return undefined;
  if (report.state === "lost" || isExecutionEnded(execution.state)) return undefined;
  const networkUse = mergeUse(execution.networkUse, report.networkUse);
  const counted = networkUse === execution.networkUse || networkUse === undefined ? execution : { ...execution, networkUse };
  if (!isExecutionMoveForward(execution.state, report.state)) return counted === execution ? undefined : counted;
  const { executionId: _, epoch: __, networkUse: ___, ...facts } = report;
  const next: Execution = { ...counted, ...withoutFailureOfScheduler(execution, facts) };
  return { ...next, verdict: verdictAfter(execution, report.state, context.isResultWanted) };
}

/** The execution when its node is given up: the scheduler's one move of the observed state. */
export function loseExecution(execution: Execution, failure: NonNullable<Execution["failure"]>, nowMs: number): Execution {
  return { ...execution, state: "lost", desired: "stop", failure, verdict: fenced(execution.verdict), endedAtMs: nowMs };
}

/** A result that is never published must not stay the accepted one. */
function verdictAfter({ verdict }: Execution, state: ExecutionState, isResultWanted: boolean): Execution["verdict"] {
  if (state === "proposing" || state === "publishing" || state === "completed") {
    if (verdict !== "open") return verdict;
    return isResultWanted ? "accepted" : "rejected";
  }
  return isExecutionEnded(state) ? fenced(verdict) : verdict;
}

function fenced(verdict: Execution["verdict"]): Execution["verdict"] {
  return verdict === "accepted" ? "rejected" : verdict;
}

/** When the scheduler stopped an execution for a reason (its time was over), that reason stays. */
function withoutFailureOfScheduler({ failure }: Execution, facts: Omit<Observation, "executionId" | "epoch" | "networkUse">): typeof facts {
  return failure !== undefined && facts.state === "cancelled" ? { ...facts, failure } : facts;
}
