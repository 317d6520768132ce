import type { Desired, ExecutionId, JobId, Task, Verdict } from "@skrei/domain";

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
