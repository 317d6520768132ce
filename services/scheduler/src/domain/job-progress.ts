import { isJobEnded, nextJobState } from "@skrei/domain";
import type { Failure, Job, JobEventKind, Waiting } from "@skrei/domain";
import type { PartitionTable } from "./partition-table.ts";

/** The job with the counts of its partitions, moved to the state that follows from them; the same object when nothing changed. */
export function progressJob(job: Job, table: PartitionTable, nowMs: number): Job {
  if (isJobEnded(job.state)) return job;
  const partitions = table.counts();
  if (table.isEveryPartitionEnded)
    return table.hasFailed ? failJob(job, table, nowMs) : endJob({ ...job, partitions, exitCode: 0 }, "completed", nowMs);
  const placed = partitions.running + partitions.completed + partitions.failed > 0;
  const next =
    placed && job.state !== "running" ? { ...job, state: nextJobState(job.state, "placed") ?? job.state, startedAtMs: nowMs } : job;
  return withWaiting({ ...next, partitions }, partitions.waiting);
}

/** The job after an evaluation that could not place all of it. */
export function queueJob(job: Job, waiting: Waiting): Job {
  return { ...job, state: nextJobState(job.state, "planned") ?? job.state, waiting };
}

/** The job stopped at once: partitions that were under way count as not placed, since no result of them is taken. */
export function stopJob(job: Job, table: PartitionTable, nowMs: number): Job {
  return endJob(withSettledCounts(job, table), "stopped", nowMs);
}

/** The job failed before its partitions ended (a time-out), or because some of them failed for good. */
export function failJob(job: Job, table: PartitionTable, nowMs: number, failure: Failure | undefined = table.failure): Job {
  const { exitCode } = table;
  const counted = withSettledCounts(job, table);
  return endJob({ ...counted, ...(failure && { failure }), ...(exitCode !== undefined && { exitCode }) }, "failed", nowMs);
}

/** The next version of an ended job, from the start. */
export function rerunJob(job: Job, nowMs: number): Job {
  const { failure: _, waiting: __, exitCode: ___, startedAtMs: ____, endedAtMs: _____, ...kept } = job;
  const partitions = { waiting: job.spec.count, running: 0, completed: 0, failed: 0 };
  return { ...kept, version: job.version + 1, state: "pending", partitions, submittedAtMs: nowMs };
}

function endJob(job: Job, kind: JobEventKind, nowMs: number): Job {
  // A job can end in the tick that placed it.
  const from = job.state !== "running" && kind === "completed" ? "running" : job.state;
  return withWaiting({ ...job, state: nextJobState(from, kind) ?? job.state, endedAtMs: nowMs }, 0);
}

function withSettledCounts(job: Job, table: PartitionTable): Job {
  const { waiting, running, completed, failed } = table.counts();
  return { ...job, partitions: { waiting: waiting + running, running: 0, completed, failed } };
}

/** The reasons stay those of the newest evaluation; they go when nothing waits any more. */
function withWaiting(job: Job, partitions: number): Job {
  const { waiting, ...rest } = job;
  if (waiting === undefined) return job;
  if (partitions === 0) return rest;
  return waiting.partitions === partitions ? job : { ...job, waiting: { ...waiting, partitions } };
}
