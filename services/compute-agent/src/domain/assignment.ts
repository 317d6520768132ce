import type { Desired, ExecutionId, ExecutionState, Failure, InputUse, JobId, NetworkUse, Task, Transfer, Verdict } from "@skrei/domain";

export interface JobTask {
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly jobName: string;
  readonly partitionCount: number;
  readonly task: Task;
}

/** What the scheduler wants of one execution. */
export interface Assignment {
  readonly executionId: ExecutionId;
  readonly job: JobTask;
  readonly partition: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly desired: Desired;
  readonly verdict: Verdict;
  readonly askId: string;
  readonly isAcceptedAtOnce: boolean;
}

/** An execution's observed state on its way to the scheduler. */
export interface Report {
  readonly executionId: ExecutionId;
  readonly epoch: number;
  readonly state: ExecutionState;
  readonly exitCode?: number;
  readonly failure?: Failure;
  readonly resultCid?: string;
  readonly resultBytes?: number;
  readonly manifestCid?: string;
  readonly peakMemoryBytes?: number;
  readonly networkUse?: NetworkUse;
  readonly inputs?: readonly InputUse[];
  readonly transfer?: Transfer;
  readonly deliveryUrl?: string;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
}
