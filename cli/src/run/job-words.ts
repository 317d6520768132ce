import { Execution_State } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { isExecutionEnded, isJobEnded } from "@skrei/domain";
import type { ExecutionState, JobState } from "@skrei/domain";
import { EXECUTION_STATE_FROM_PROTO } from "@skrei/wire/execution.ts";
import { JOB_STATE_FROM_PROTO } from "@skrei/wire/job.ts";
import { msFromTimestamp } from "@skrei/wire/time.ts";
import { formatDuration } from "../parse/parse-duration.ts";

/** A state of a newer server reads by its number. */
export function jobStateOf(job: Pick<Job, "state">): JobState | "unknown" {
  return JOB_STATE_FROM_PROTO.get(job.state) ?? "unknown";
}

export function executionStateOf(execution: Pick<Execution, "state">): ExecutionState | "unknown" {
  return EXECUTION_STATE_FROM_PROTO.get(execution.state) ?? "unknown";
}

export function isEnded(job: Job): boolean {
  const state = jobStateOf(job);
  return state !== "unknown" && isJobEnded(state);
}

export function hasEnded(execution: Execution): boolean {
  const state = executionStateOf(execution);
  return state !== "unknown" && isExecutionEnded(state);
}

/** True when it has come so far that there can be output. */
export function hasStarted(execution: Execution): boolean {
  return execution.state === Execution_State.RUNNING || execution.startTime !== undefined || execution.exitCode !== undefined;
}

/** `docker`, `wasm`. */
export function engineOf(job: Job): string {
  return job.spec?.task?.engine.case ?? "unknown";
}

export function partsOf(count: number): string {
  return count === 1 ? "1 part" : `${count} parts`;
}

/** How long between two times, or since `startTime`. */
export function elapsed(from: Job["createTime"], to: Job["createTime"], nowMs: number): string {
  if (from === undefined) return "";
  return formatDuration((to === undefined ? nowMs : msFromTimestamp(to)) - msFromTimestamp(from));
}

/** How long a job took: since it was handed in, or since its rerun began. */
export function took(job: Job, nowMs: number): string {
  return elapsed(job.version > 1 ? job.startTime : job.createTime, job.endTime, nowMs);
}
