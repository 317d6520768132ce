import type { ExecutionId, ExecutionReport, ExecutionState, Failure, InputUse, NetworkUse, Transfer } from "@skrei/domain";
import { isExecutionEnded } from "@skrei/domain";
import type { Assignment } from "./assignment.ts";
import type { RunEnd, RunSpec } from "./run.ts";

/** What this node knows of one execution; what the journal keeps. */
export interface ExecutionRecord {
  readonly assignment: Assignment;
  readonly observed: Observed;
  /** Rises with each change of `observed`. */
  readonly revision: number;
  /** The revision that the scheduler has made durable; it knows that it assigned it. -1 when it shall be told again. */
  readonly reportedRevision: number;
  /** The scheduler needs nothing more of it: it is stopped if need be, and forgotten once it has ended. */
  readonly isReleased: boolean;
}

export interface Observed {
  readonly state: ExecutionState;
  /** From before the launch on: what an agent needs to take the run up again. */
  readonly run?: RunSpec;
  /** In the order of the task's inputs, once they are there. */
  readonly inputs?: readonly InputUse[];
  /** Bytes on their way, or why they are not. */
  readonly transfer?: Transfer;
  readonly startedAtMs?: number;
  readonly end?: RunEnd;
  /** Set while `running` when the run has failed and its result folder is being kept; set for failed and rejected. */
  readonly failure?: Failure;
  readonly result?: { readonly cid: string; readonly sizeBytes: number };
  readonly manifestCid?: string;
  readonly deliveryUrl?: string;
  /** What it did through its door so far. */
  readonly networkUse?: NetworkUse;
}

export function newRecord(assignment: Assignment): ExecutionRecord {
  return { assignment, observed: { state: "assigned" }, revision: 0, reportedRevision: 0, isReleased: false };
}

export function idOf(record: ExecutionRecord): ExecutionId {
  return record.assignment.executionId;
}

export function hasEnded(record: ExecutionRecord): boolean {
  return isExecutionEnded(record.observed.state);
}

export function isReported(record: ExecutionRecord): boolean {
  return record.reportedRevision >= record.revision;
}

/** The record as the scheduler shall see it. A failure is told with the state that it leads to, not before. */
export function reportOf({ assignment, observed }: ExecutionRecord): ExecutionReport {
  const { state, startedAtMs, failure, manifestCid } = observed;
  const { executionId, epoch } = assignment;
  const isEnded = isExecutionEnded(state);
  return {
    executionId,
    epoch,
    state,
    ...(startedAtMs !== undefined && { startedAtMs }),
    ...endOf(observed),
    ...(isEnded && failure !== undefined && { failure }),
    // What was not published, or was dropped again, is no result.
    ...((isEnded ? manifestCid !== undefined : failure === undefined) && resultOf(observed)),
    ...(manifestCid !== undefined && { manifestCid }),
    ...dataOf(observed),
  };
}

function dataOf({ state, networkUse, inputs = [], transfer, deliveryUrl = "" }: Observed): Partial<ExecutionReport> {
  return {
    ...(networkUse !== undefined && { networkUse }),
    ...(inputs.length > 0 && { inputs }),
    ...(transfer !== undefined && !isExecutionEnded(state) && { transfer }),
    ...(deliveryUrl !== "" && { deliveryUrl }),
  };
}

function endOf({ end }: Observed): Partial<ExecutionReport> {
  if (end === undefined) return {};
  return {
    endedAtMs: end.endedAtMs,
    ...(end.exitCode !== undefined && { exitCode: end.exitCode }),
    ...(end.peakMemoryBytes > 0 && { peakMemoryBytes: end.peakMemoryBytes }),
  };
}

function resultOf({ result }: Observed): Partial<ExecutionReport> {
  return result === undefined ? {} : { resultCid: result.cid, resultBytes: result.sizeBytes };
}
