import { DomainError, isJobEnded, LIMITS, newJobId } from "@skrei/domain";
import type { Job, JobId, JobSpec } from "@skrei/domain";
import { rerunJob as nextVersionOf, stopJob as stoppedJob } from "../domain/job-progress.ts";
import type { JobEntry } from "./live-state.ts";
import { addJobEvent, settleEndedJob, watchDeadlines } from "./progress.ts";
import type { RequestLog } from "./request-log.ts";
import type { TermContext } from "./term-context.ts";

/** Stores the jobs in one durable batch; repeated request ids give the first jobs. */
export async function submitJobs(
  term: TermContext,
  requests: readonly { requestId: string; spec: JobSpec }[],
  log: RequestLog,
): Promise<readonly Job[]> {
  const claims = await log.claim(requests.map(({ requestId, spec }) => ({ requestId, content: ["submit", spec] })));
  term.signal.throwIfAborted();
  const jobs = requests.map(({ requestId, spec }, i): Job | JobId => {
    const claim = claims[i];
    const known = claim?.jobId();
    if (known !== undefined) return term.live.jobs.get(known)?.job ?? known;
    const job = createJob(term, spec);
    claim?.record(job.id);
    if (requestId !== "") term.live.putRequest(recordOf(term, { requestId, fingerprint: claim?.fingerprint ?? "", jobId: job.id }));
    return job;
  });
  await term.committer.durable();
  return Promise.all(jobs.map(async (job) => (typeof job === "string" ? await storedJob(term, job) : job)));
}

/** The job is stopped at once; its executions end as their nodes stop them. Stopping an ended job changes nothing. */
export async function stopJob(term: TermContext, { jobId, reason }: { jobId: JobId; reason: string }): Promise<Job> {
  const entry = term.live.jobs.get(jobId);
  if (entry === undefined) return storedJob(term, jobId);
  const from = entry.job.state;
  if (!isJobEnded(from)) {
    term.live.setJob(entry, stoppedJob(entry.job, entry.table, term.clock.nowMs()));
    addJobEvent(term, entry, from, { reason: "STOPPED_BY_USER", ...(reason !== "" && { message: reason }) });
    settleEndedJob(term, entry);
  }
  const { job } = entry;
  await term.committer.durable();
  return job;
}

/** Starts the next version of an ended job. */
export async function rerunJob(
  term: TermContext,
  { requestId, jobId }: { requestId: string; jobId: JobId },
  log: RequestLog,
): Promise<Job> {
  const [claim] = await log.claim([{ requestId, content: ["rerun", jobId] }]);
  const entry = term.live.jobs.get(jobId) ?? (await recallJob(term, jobId));
  if (claim?.jobId() === undefined) {
    beginNextVersion(term, entry);
    claim?.record(jobId);
    if (requestId !== "") term.live.putRequest(recordOf(term, { requestId, fingerprint: claim?.fingerprint ?? "", jobId }));
  }
  const { job } = entry;
  await term.committer.durable();
  return job;
}

/** The entry of a job that memory has forgotten since its end. */
async function recallJob(term: TermContext, jobId: JobId): Promise<JobEntry> {
  const stored = await storedJob(term, jobId);
  term.signal.throwIfAborted();
  return term.live.jobs.get(jobId) ?? term.live.addJob(stored);
}

function createJob(term: TermContext, spec: JobSpec): Job {
  const { live, clock, randomness } = term;
  const id = newJobId({ nowMs: () => clock.nowMs(), randomBytes: () => randomness.randomBytes() });
  const nowMs = clock.nowMs();
  const entry = live.addJob({
    id,
    version: 1,
    spec: spec.name === "" ? { ...spec, name: id } : spec,
    state: "pending",
    partitions: { waiting: spec.count, running: 0, completed: 0, failed: 0 },
    createdAtMs: nowMs,
    submittedAtMs: nowMs,
    revision: 0,
  });
  live.setJob(entry, entry.job);
  live.changes.addEvent({ type: "job.submitted", jobId: id, to: "pending" });
  watchDeadlines(term, entry);
  return entry.job;
}

function beginNextVersion(term: TermContext, entry: JobEntry): void {
  const { job } = entry;
  if (!isJobEnded(job.state)) {
    throw new DomainError("precondition", "JOB_STILL_RUNNING", `Job ${job.id} is ${job.state}; only an ended job can be run again.`, {
      hint: "Stop the job first, or wait for its end.",
      metadata: { state: job.state, allowed: "completed, failed, stopped" },
    });
  }
  term.live.setJob(entry, nextVersionOf(job, term.clock.nowMs()));
  term.live.restartJob(entry);
  term.live.changes.addEvent({ type: "job.rerun", jobId: job.id, from: job.state, to: "pending" });
  watchDeadlines(term, entry);
}

async function storedJob(term: TermContext, id: JobId): Promise<Job> {
  const job = await term.store.getJob(id);
  if (job === undefined) throw jobNotFound(id);
  return job;
}

function recordOf(
  term: TermContext,
  request: { requestId: string; fingerprint: string; jobId: JobId },
): typeof request & { expiresAtMs: number } {
  return { ...request, expiresAtMs: term.clock.nowMs() + LIMITS.requestIdTtlMs };
}

function jobNotFound(id: JobId): DomainError {
  return new DomainError("notFound", "JOB_NOT_FOUND", `No job has the id ${id}.`, { hint: "List the jobs for their ids." });
}
