import { DomainError, isJobEnded, LIMITS } from "@skrei/domain";
import type { Job, JobOutput } from "@skrei/domain";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { dagBytesOf } from "@skrei/unixfs/node.ts";
import { resolvePath } from "@skrei/unixfs/read-dag.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import { resultOf } from "@skrei/wire/result.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { publishedBlocks } from "./published-blocks.ts";
import { keepPartitionFolder, type PartitionEntry } from "./partition-folder.ts";
import { executionsOf } from "./result-service.ts";

/** What a job produced, by its content id. */
export interface FoundOutput {
  readonly job: Job;
  readonly cid: string;
}

/**
 * The data that `wanted` names. The results of several partitions become one folder, which is put into the cluster's store.
 * @throws DomainError as `findJob`; precondition/JOB_STILL_RUNNING, notFound/RESULT_NOT_FOUND; invalid/SPEC_INVALID with a violation of
 * the field that is wrong, below `job`.
 */
export async function findJobOutput(deps: SchedulerApiDeps, wanted: JobOutput, signal: AbortSignal): Promise<FoundOutput> {
  const job = await findJob(deps.store, wanted.job);
  if (!isJobEnded(job.state)) {
    throw new DomainError(
      "precondition",
      "JOB_STILL_RUNNING",
      `Job ${job.id} is ${job.state}; its outputs are there when it has completed.`,
      {
        metadata: { jobId: job.id, state: job.state },
        hint: `Wait for it with: skrei job wait ${job.id}`,
      },
    );
  }
  const results = await acceptedResults(deps, job);
  const partition = wanted.partition ?? (job.spec.count === 1 ? 0 : undefined);
  if (partition !== undefined) {
    const root = resultOfPartition({ job, results, partition });
    return { job, cid: (await outputOf(deps, { job, root, output: wanted.output, signal })).cid.toString() };
  }
  if (results.size < job.spec.count) throw notAllThere(job, results);
  if (results.size > LIMITS.joinedPartitionsMax)
    throw wrongField(
      "partition",
      `missing, and job ${job.id} has ${results.size} partitions; at most ${LIMITS.joinedPartitionsMax} are joined`,
    );
  const entryOf = async ([name, root]: readonly [number, string]): Promise<PartitionEntry> => {
    const { cid, load } = await outputOf(deps, { job, root, output: wanted.output, signal });
    return { name: String(name), cid, dagBytes: dagBytesOf(cid, await load(cid)) };
  };
  return { job, cid: await keepPartitionFolder(deps, await inTurns([...results], entryOf), signal) };
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
  if (partition >= job.spec.count) throw wrongField("partition", `found ${partition}; allowed: 0 to ${job.spec.count - 1}`);
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

interface OutputQuery {
  readonly job: Job;
  /** Content id of a result folder. */
  readonly root: string;
  /** Empty for the folder itself. */
  readonly output: string;
  readonly signal: AbortSignal;
}

interface LoadedOutput {
  readonly cid: ContentId;
  /** Reads what is below `cid`, and `cid` itself. */
  readonly load: LoadBlock;
}

async function outputOf(deps: SchedulerApiDeps, { job, root, output, signal }: OutputQuery): Promise<LoadedOutput> {
  const load = publishedBlocks(deps, root, signal);
  if (load === undefined) {
    throw new DomainError("precondition", "FEATURE_NOT_AVAILABLE", "This scheduler cannot look into results: it knows no publisher.", {
      hint: "Set publisherUrl and linkSecret of the scheduler, or name the content id of the output.",
    });
  }
  const result = parseCid(root);
  if (output === "") return { cid: result, load };
  const cid = await resolvePath(load, result, ["outputs", output]);
  if (cid !== undefined) return { cid, load };
  throw wrongField("output", `found ${JSON.stringify(output)}; allowed: ${await outputsOf(load, { job, result })}`);
}

async function outputsOf(load: LoadBlock, { job, result }: { readonly job: Job; readonly result: ContentId }): Promise<string> {
  const folder = await resolvePath(load, result, ["outputs"]);
  const names: string[] = [];
  if (folder !== undefined) {
    for await (const { name } of listFolder(load, folder)) {
      if (names.push(JSON.stringify(name)) === NAMES_SHOWN) break;
    }
  }
  if (names.length === 0) return `nothing but the whole result, for job ${job.id} has no outputs`;
  return `the outputs of job ${job.id}: ${names.join(", ")}`;
}

/** Blocks of many results are read at once, but not of all. */
async function inTurns<From, To>(items: readonly From[], run: (item: From) => Promise<To>): Promise<To[]> {
  const done: To[] = [];
  for (let at = 0; at < items.length; at += READ_AT_ONCE) done.push(...(await Promise.all(items.slice(at, at + READ_AT_ONCE).map(run))));
  return done;
}

function wrongField(field: "output" | "partition", message: string): DomainError {
  return new DomainError("invalid", "SPEC_INVALID", `The job spec has a problem at an input's ${field}: ${message}.`, {
    violations: [{ field, message, reason: "FIELD_INVALID" }],
    hint: "See what the job has with `skrei job describe`.",
  });
}

const NAMES_SHOWN = 20;
const READ_AT_ONCE = 16;
