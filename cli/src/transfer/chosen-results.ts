import { DomainError } from "@skrei/domain";
import type { Result } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { msFromTimestamp } from "@skrei/wire/time.ts";
import { getJob } from "../client/get-job.ts";
import { isEnded, jobStateOf } from "../run/job-words.ts";
import type { Session } from "../session.ts";

export interface ChosenResults {
  /** One a part, in their order: of all parts or of those that are named. */
  readonly results: readonly Result[];
  /** Whether the job has results of several parts, chosen or not. */
  readonly areSeveral: boolean;
}

/** One of each part that has any, in the order of the parts: the accepted one, else the newest that could be kept. */
export async function findResults(session: Session, jobId: string): Promise<readonly Result[]> {
  return newestOfEach(await listResults(session, jobId));
}

/** @throws DomainError notFound/RESULT_NOT_FOUND. */
export async function chooseResults(session: Session, jobId: string, partitions: readonly number[]): Promise<ChosenResults> {
  const results = await findResults(session, jobId);
  if (results.length === 0) throw hasNone(await getJob(session, jobId));
  const absent = partitions.find((wanted) => !results.some(({ partition }) => partition === wanted));
  if (absent !== undefined) {
    throw new DomainError("notFound", "RESULT_NOT_FOUND", `Part ${absent} of job ${jobId} has no result.`, {
      hint: `Those that have one: skrei job results ${jobId}`,
    });
  }
  const chosen = partitions.length === 0 ? results : results.filter(({ partition }) => partitions.includes(partition));
  return { results: chosen, areSeveral: results.length > 1 };
}

/** What is over is no more to be had, even if its blocks are still there by chance. @throws DomainError notFound/RESULT_NOT_FOUND. */
export function refuseExpired(jobId: string, results: readonly Result[]): void {
  const nowMs = Date.now();
  const expired = results.find(({ expireTime }) => expireTime !== undefined && msFromTimestamp(expireTime) <= nowMs);
  if (expired?.expireTime === undefined) return;
  const { partition, expireTime, deliveryUrl } = expired;
  const ended = new Date(msFromTimestamp(expireTime)).toISOString();
  const elsewhere = deliveryUrl === "" ? "" : ` It was delivered to ${deliveryUrl}.`;
  throw new DomainError(
    "notFound",
    "RESULT_NOT_FOUND",
    `The result of part ${partition} of job ${jobId} was kept until ${ended}.${elsewhere}`,
    {
      hint: `Run the job again (skrei job rerun ${jobId}); to keep a result longer: skrei data pin CID --name NAME before its end.`,
    },
  );
}

function hasNone(job: Job): DomainError {
  const { jobId } = job;
  const [what, which] = isEnded(job) ? [`is ${jobStateOf(job)} and has no result`, ""] : ["has no result yet", " so far"];
  return new DomainError("notFound", "RESULT_NOT_FOUND", `Job ${jobId} ${what}.`, { hint: `Its output${which}: skrei job logs ${jobId}` });
}

async function listResults(session: Session, jobId: string): Promise<readonly Result[]> {
  const results: Result[] = [];
  let pageToken = "";
  do {
    const page = await session.cluster.results.listResults({ jobId, pageSize: 1_000, pageToken });
    results.push(...page.results);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return results;
}

function newestOfEach(results: readonly Result[]): readonly Result[] {
  const chosen = new Map<number, Result>();
  for (const result of results) {
    const known = chosen.get(result.partition);
    if (known === undefined || (!known.accepted && (result.accepted || result.executionId > known.executionId)))
      chosen.set(result.partition, result);
  }
  return [...chosen.values()].toSorted((a, b) => a.partition - b.partition);
}
