import { DomainError } from "@skrei/domain";
import type { Job } from "@skrei/domain";
import { type ContentId, parseCid } from "@skrei/unixfs/cid.ts";
import { resolvePath } from "@skrei/unixfs/read-dag.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { publishedBlocks } from "./published-blocks.ts";
import { wrongJobField } from "./wrong-job-field.ts";

export interface OutputQuery {
  readonly job: Job;
  /** Content id of a result folder. */
  readonly root: string;
  /** Empty for the folder itself. */
  readonly output: string;
  readonly signal: AbortSignal;
}

export interface OutputOfResult {
  readonly cid: ContentId;
  /** Reads `cid` and what is below. */
  readonly load: LoadBlock;
}

/**
 * Looks into a result.
 * @throws DomainError precondition/FEATURE_NOT_AVAILABLE, notFound/RESULT_NOT_FOUND, unavailable/UPSTREAM_UNAVAILABLE; invalid/SPEC_INVALID
 * when it has no such output, with those that it has.
 */
export async function outputOfResult(deps: SchedulerApiDeps, { job, root, output, signal }: OutputQuery): Promise<OutputOfResult> {
  const published = publishedBlocks(deps, root, signal);
  if (published === undefined) {
    throw new DomainError("precondition", "FEATURE_NOT_AVAILABLE", "This scheduler cannot look into results: it knows no publisher.", {
      hint: "Set publisherUrl and linkSecret of the scheduler, or name the content id of the output.",
    });
  }
  const load = inWords(published, job, signal);
  const result = parseCid(root);
  if (output === "") return { cid: result, load };
  const cid = await resolvePath(load, result, ["outputs", output]);
  if (cid !== undefined) return { cid, load };
  throw wrongJobField("output", `found ${JSON.stringify(output)}; allowed: ${await outputsOf(load, { job, result })}`);
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

function inWords(load: LoadBlock, { id }: Job, signal: AbortSignal): LoadBlock {
  return async (cid) => {
    try {
      return await load(cid);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof DomainError && cause.reason === "BLOCK_MISSING") {
        throw new DomainError("notFound", "RESULT_NOT_FOUND", `The result of job ${id} is no longer in the cluster's store.`, {
          hint: "Run that job again.",
          cause,
        });
      }
      throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `The cluster's store does not give the result of job ${id} now.`, {
        hint: "Submit again when the publisher answers; nothing was stored.",
        cause,
      });
    }
  };
}

const NAMES_SHOWN = 20;
