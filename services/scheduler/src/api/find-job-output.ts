import { DomainError, isJobEnded, LIMITS } from "@skrei/domain";
import type { Job, JobOutput } from "@skrei/domain";
import { dagBytesOf } from "@skrei/unixfs/node.ts";
import { resultOf } from "@skrei/wire/result.ts";
import { inTurns } from "../domain/in-turns.ts";
import { checkResultIsKept } from "../domain/result-expiry.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { holdOutput } from "./hold-output.ts";
import { outputOfResult } from "./output-of-result.ts";
import { partitionFolder, type PartitionEntry } from "./partition-folder.ts";
import { executionsOf } from "./executions-of.ts";
import { wrongJobField } from "./wrong-job-field.ts";

/** What a job produced, by its content id. */
export interface FoundOutput {
  readonly job: Job;
  readonly cid: string;
}

/** What one request may ask for in all, and what becomes of it. */
export interface JobLookups {
  readonly signal: AbortSignal;
  /** What is found stays in the store, and a folder of partitions is put there; a plan only wants to know the content id. */
  readonly keepsFolders: boolean;
  /** Partitions that may still be joined. */
  joinsLeft: number;
}

/**
 * The data that `wanted` names. The results of several partitions become one folder.
 * @throws DomainError as `findJob` and `outputOfResult`; precondition/JOB_STILL_RUNNING, notFound/RESULT_NOT_FOUND; invalid/SPEC_INVALID with
 * a violation of the field that is wrong, below `job`.
 */
export async function findJobOutput(deps: SchedulerApiDeps, wanted: JobOutput, lookups: JobLookups): Promise<FoundOutput> {
  const job = await findJob(deps.store, wanted.job);
  if (!isJobEnded(job.state)) throw stillRunning(job);
  checkResultIsKept(job, deps.clock.nowMs());
  const results = await acceptedResults(deps, job);
  const query = { job, output: wanted.output, signal: lookups.signal };
  const partition = wanted.partition ?? (job.spec.count === 1 ? 0 : undefined);
  if (partition !== undefined) {
    const root = resultOfPartition({ job, results, partition });
    const found = { job, cid: (await outputOfResult(deps, { ...query, root })).cid.toString() };
    if (lookups.keepsFolders) await holdOutput(deps, found, lookups.signal);
    return found;
  }
  if (results.size < job.spec.count) throw notAllThere(job, results);
  lookups.joinsLeft -= results.size;
  if (lookups.joinsLeft < 0)
    throw wrongJobField(
      "partition",
      `missing, for the ${results.size} of job ${job.id}; one request joins ${LIMITS.joinedPartitionsMax} at most`,
    );
  const entryOf = async ([name, root]: readonly [number, string]): Promise<PartitionEntry> => {
    const { cid, load } = await outputOfResult(deps, { ...query, root });
    return { name: String(name), cid, dagBytes: dagBytesOf(cid, await load(cid)) };
  };
  return { job, cid: await partitionFolder(deps, await inTurns([...results], READ_AT_ONCE, entryOf), lookups) };
}

function stillRunning({ id, state }: Job): DomainError {
  return new DomainError("precondition", "JOB_STILL_RUNNING", `Job ${id} is ${state}; its outputs are there when it has completed.`, {
    metadata: { jobId: id, state },
    hint: `Wait for it with: skrei job wait ${id}`,
  });
}

/** Content id of the accepted result of each partition that has one. */
async function acceptedResults({ store }: SchedulerApiDeps, job: Job): Promise<ReadonlyMap<number, string>> {
  const results = new Map<number, string>();
  for await (const execution of executionsOf(store, job.id)) {
    const result = execution.jobVersion === job.version ? resultOf(execution) : undefined;
    if (result?.isAccepted === true) results.set(result.partition, result.cid);
  }
  return results;
}

interface PartitionQuery {
  readonly job: Job;
  readonly results: ReadonlyMap<number, string>;
  readonly partition: number;
}

function resultOfPartition({ job, results, partition }: PartitionQuery): string {
  const root = results.get(partition);
  if (root !== undefined) return root;
  if (partition >= job.spec.count) throw wrongJobField("partition", `found ${partition}; allowed: 0 to ${job.spec.count - 1}`);
  if (job.spec.count === 1) throw notAllThere(job, results);
  throw new DomainError(
    "notFound",
    "RESULT_NOT_FOUND",
    `Partition ${partition} of job ${job.id}, which is ${job.state}, has no accepted result.`,
    {
      metadata: { jobId: job.id, state: job.state },
      hint: othersOf(results),
    },
  );
}

function notAllThere(job: Job, results: ReadonlyMap<number, string>): DomainError {
  const { count } = job.spec;
  const which = count === 1 ? "it has no accepted result" : `${results.size} of its ${count} partitions have an accepted result`;
  return new DomainError("notFound", "RESULT_NOT_FOUND", `Job ${job.id} is ${job.state}; ${which}.`, {
    metadata: { jobId: job.id, state: job.state },
    hint: othersOf(results),
  });
}

function othersOf(results: ReadonlyMap<number, string>): string {
  if (results.size === 0) return "Run the job again, or name one that completed.";
  const shown = [...results.keys()].toSorted((a, b) => a - b).slice(0, NAMES_SHOWN);
  return `Name one partition that has a result: ${shown.join(", ")}${results.size > NAMES_SHOWN ? ", …" : ""}.`;
}

const NAMES_SHOWN = 20;
/** Blocks of many results are read at once, but not of all. */
const READ_AT_ONCE = 16;
