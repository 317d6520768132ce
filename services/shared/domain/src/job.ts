import type { InputUse, Transfer } from "./data-use.ts";
import type { Desired, ExecutionState, Verdict } from "./execution-state.ts";
import type { Failure } from "./failure.ts";
import type { ExecutionId, JobId, NodeId } from "./ids.ts";
import type { JobSpec } from "./job-spec.ts";
import type { JobState } from "./job-state.ts";
import type { NetworkUse } from "./network.ts";
import type { Reason } from "./reasons.ts";

/** Partitions by where they are; the sum is the job's count. */
export interface PartitionCounts {
  readonly waiting: number;
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
}

/** How many nodes gave one reason for not taking more of a job. */
export interface NodeReason {
  readonly reason: Reason;
  readonly message: string;
  readonly nodes: number;
}

/** Why partitions wait: what the newest evaluation found. */
export interface Waiting {
  readonly partitions: number;
  readonly nodes: number;
  /** Most frequent first. */
  readonly reasons: readonly NodeReason[];
  readonly evaluatedAtMs: number;
  /** No node could ever take the job as the cluster stands. */
  readonly isImpossible: boolean;
}

/** A submitted spec and what became of it. Stored as JSON; written by the leader only. */
export interface Job {
  readonly id: JobId;
  readonly version: number;
  readonly spec: JobSpec;
  readonly state: JobState;
  readonly failure?: Failure;
  readonly partitions: PartitionCounts;
  readonly waiting?: Waiting;
  readonly exitCode?: number;
  readonly createdAtMs: number;
  /** When this version was submitted; equals `createdAtMs` for version 1. Time-outs count from here. */
  readonly submittedAtMs: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  /** Rises with each change. */
  readonly revision: number;
}

/** One attempt to run one partition on one node. Stored as JSON. */
export interface Execution {
  readonly id: ExecutionId;
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly partition: number;
  readonly attempt: number;
  readonly nodeId: NodeId;
  /** Fencing number; a report with another epoch changes nothing. */
  readonly epoch: number;
  readonly desired: Desired;
  readonly verdict: Verdict;
  readonly state: ExecutionState;
  readonly exitCode?: number;
  readonly failure?: Failure;
  readonly resultCid?: string;
  readonly resultBytes?: number;
  readonly manifestCid?: string;
  readonly peakMemoryBytes?: number;
  readonly networkUse?: NetworkUse;
  /** In the order of the task's inputs, once they are there. */
  readonly inputs?: readonly InputUse[];
  readonly transfer?: Transfer;
  /** Where the publisher's target has the result. */
  readonly deliveryUrl?: string;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
}

/** What the node of an execution tells of it. */
export type Outcome = Pick<
  Execution,
  | "exitCode"
  | "failure"
  | "resultCid"
  | "resultBytes"
  | "manifestCid"
  | "peakMemoryBytes"
  | "networkUse"
  | "inputs"
  | "transfer"
  | "deliveryUrl"
  | "startedAtMs"
  | "endedAtMs"
>;

/** One observed state, as a node reports it. */
export interface ExecutionReport extends Outcome {
  readonly executionId: ExecutionId;
  readonly epoch: number;
  readonly state: ExecutionState;
}

/** One durable change. Sequence numbers have no gaps. */
export interface JobEvent {
  readonly sequence: number;
  readonly atMs: number;
  /** `job.submitted`, `job.queued`, `execution.running`, `node.joined` … */
  readonly type: string;
  readonly jobId?: JobId;
  readonly executionId?: ExecutionId;
  readonly nodeId?: NodeId;
  readonly partition?: number;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly message?: string;
}
