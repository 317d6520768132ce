import { DomainError } from "@skrei/domain";
import type { Job } from "@skrei/domain";

/** When the cluster's store may let the results of a job go; undefined: with the job, or not before its end is known. */
export function resultExpiresAtMs({ endedAtMs, spec }: Pick<Job, "endedAtMs" | "spec">): number | undefined {
  // Jobs of an earlier version have no publisher.
  const retentionMs = (spec.task.publisher as typeof spec.task.publisher | undefined)?.retentionMs;
  return retentionMs === undefined || endedAtMs === undefined ? undefined : endedAtMs + retentionMs;
}

/** @throws DomainError notFound/RESULT_NOT_FOUND when the time that the job asked for is over. */
export function checkResultIsKept(job: Job, nowMs: number): void {
  const expiresAtMs = resultExpiresAtMs(job);
  if (expiresAtMs === undefined || expiresAtMs > nowMs) return;
  const at = new Date(expiresAtMs).toISOString();
  throw new DomainError("notFound", "RESULT_NOT_FOUND", `The results of job ${job.id} expired at ${at}.`, {
    metadata: { jobId: job.id, state: job.state, expiredAt: at },
    hint: "Run the job again; to keep a result longer, ask for a longer retention or pin it.",
  });
}
