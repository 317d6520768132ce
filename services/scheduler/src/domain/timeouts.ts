import type { Execution, Failure, Job, Waiting } from "@skrei/domain";
import { describeWaiting } from "./explain-waiting.ts";

/** How much longer than its limit an execution may take to end, before the scheduler steps in for its node. */
export const STOP_GRACE_MS = 30_000;

/** When the job must have begun to run; undefined without such a limit. */
export function queueDeadlineMs({ spec, submittedAtMs }: Job): number | undefined {
  const { queueMs } = spec.task.timeouts;
  return queueMs > 0 ? submittedAtMs + queueMs : undefined;
}

/** When the job must have ended; undefined without such a limit. */
export function totalDeadlineMs({ spec, submittedAtMs }: Job): number | undefined {
  const { totalMs } = spec.task.timeouts;
  return totalMs > 0 ? submittedAtMs + totalMs : undefined;
}

/** When the scheduler stops an execution that its node should have ended; undefined without such a limit. */
export function executionDeadlineMs({ spec }: Job, runningSinceMs: number): number | undefined {
  const { executionMs } = spec.task.timeouts;
  return executionMs > 0 ? runningSinceMs + executionMs + STOP_GRACE_MS : undefined;
}

export function queueTimeoutFailure({ spec, waiting }: Job): Failure {
  return {
    class: "resource",
    reason: "QUEUE_TIMEOUT",
    message: `No execution started within ${seconds(spec.task.timeouts.queueMs)}${why(waiting)}.`,
    hint: "Ask for less, add nodes that fit, or allow a longer queue time-out.",
  };
}

export function totalTimeoutFailure({ spec, partitions }: Job): Failure {
  const { completed } = partitions;
  return {
    class: "resource",
    reason: "TOTAL_TIMEOUT",
    message: `The job was not done within ${seconds(spec.task.timeouts.totalMs)}; ${String(completed)} of ${String(spec.count)} partitions were.`,
    hint: "Allow a longer total time-out or split the job.",
  };
}

export function executionTimeoutFailure({ spec }: Job, { attempt }: Execution): Failure {
  return {
    class: "resource",
    reason: "EXECUTION_TIMEOUT",
    message: `Attempt ${String(attempt)} ran longer than ${seconds(spec.task.timeouts.executionMs)} and its node did not end it.`,
    hint: "Allow a longer execution time-out, or look at the node.",
  };
}

function why(waiting: Waiting | undefined): string {
  return waiting === undefined ? "" : `: ${describeWaiting(waiting)}`;
}

function seconds(ms: number): string {
  return `${String(ms / 1000)} s`;
}
