import { isExecutionEnded, isExecutionMoveForward } from "@skrei/domain";
import type { Execution, ExecutionReport, ExecutionState, NodeId } from "@skrei/domain";
import { withInputs, withTransfer } from "./data-use.ts";
import { mergeUse } from "./merge-use.ts";

/**
 * The execution after a report of its node, or undefined when the report changes nothing: unknown node, other epoch,
 * or a state that is not ahead of the known one and nothing new of its network use, data and published result. Offered results are accepted at once, while
 * `isResultWanted`. After the end nothing changes any more, the count included: the report that ends an execution carries the final one.
 * What is on its way belongs to a state and ends with the execution; what became of the inputs is told once.
 */
export function applyReport(
  execution: Execution,
  report: ExecutionReport,
  context: { nodeId: NodeId; isResultWanted: boolean },
): Execution | undefined {
  if (execution.nodeId !== context.nodeId || execution.epoch !== report.epoch) return undefined;
  if (report.state === "lost" || isExecutionEnded(execution.state)) return undefined;
  if (!isExecutionMoveForward(execution.state, report.state)) return noteFacts(execution, report);
  const { executionId: _, epoch: __, networkUse: ___, inputs: ____, transfer, ...facts } = report;
  const informed = withTransfer(withWhatGrows(execution, report), isExecutionEnded(report.state) ? undefined : transfer);
  const next: Execution = { ...informed, ...withoutFailureOfScheduler(execution, facts) };
  return { ...next, verdict: verdictAfter(execution, report.state, context.isResultWanted) };
}

function noteFacts(execution: Execution, report: ExecutionReport): Execution | undefined {
  const informed = withWhatGrows(execution, report);
  // A late report of an earlier state says nothing of what is on its way now.
  const noted = report.state === execution.state ? withTransfer(withKept(informed, report), report.transfer) : informed;
  return noted === execution ? undefined : noted;
}

/** With the result that the cluster's store has, once it is known; its target may still be waited for. */
function withKept(execution: Execution, { state, resultCid, resultBytes, manifestCid }: ExecutionReport): Execution {
  if (state !== "publishing" || execution.manifestCid !== undefined) return execution;
  if (resultCid === undefined || manifestCid === undefined) return execution;
  return { ...execution, resultCid, manifestCid, ...(resultBytes !== undefined && { resultBytes }) };
}

/** Takes over what is never taken back; the same execution when it has all of it. */
function withWhatGrows(execution: Execution, report: ExecutionReport): Execution {
  const networkUse = mergeUse(execution.networkUse, report.networkUse);
  const counted = networkUse === execution.networkUse || networkUse === undefined ? execution : { ...execution, networkUse };
  return withInputs(counted, report.inputs);
}

/** The execution when its node is given up: the scheduler's one move of the observed state. */
export function loseExecution(execution: Execution, failure: NonNullable<Execution["failure"]>, nowMs: number): Execution {
  return {
    ...withTransfer(execution, undefined),
    state: "lost",
    desired: "stop",
    failure,
    verdict: fenced(execution.verdict),
    endedAtMs: nowMs,
  };
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
function withoutFailureOfScheduler({ failure }: Execution, facts: Facts): Facts {
  return failure !== undefined && facts.state === "cancelled" ? { ...facts, failure } : facts;
}

type Facts = Omit<ExecutionReport, "executionId" | "epoch" | "networkUse" | "inputs" | "transfer">;
