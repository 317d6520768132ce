import { create } from "@bufbuild/protobuf";
import { DomainError, hasReason } from "@skrei/domain";
import type { Job } from "@skrei/domain";
import { signLink } from "@skrei/platform/signed-link.ts";
import { CreateDownloadLinkResponseSchema } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import type { CreateDownloadLinkRequest, CreateDownloadLinkResponse } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { resultOf } from "@skrei/wire/result.ts";
import { msFromDuration, timestampFromMs } from "@skrei/wire/time.ts";
import { checkResultIsKept } from "../domain/result-expiry.ts";
import type { StateStore } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { executionsOf } from "./executions-of.ts";
import { findJob } from "./find-job.ts";
import { findKept } from "./find-kept.ts";
import { baseUrl, checkLinks } from "./links.ts";
import { checkContentId } from "./list-data.ts";

/** To read a root, one has to name what the cluster keeps it for: a job of which it is a result, or what DataService lists. */
export async function createDownloadLink(
  deps: SchedulerApiDeps,
  request: CreateDownloadLinkRequest,
  signal: AbortSignal,
): Promise<CreateDownloadLinkResponse> {
  const { clock, config } = deps;
  checkLinks(config);
  const lifeMs = lifeOf(request);
  if (request.jobId === "") {
    checkContentId(request.cid);
    await findKept(deps, request.cid, signal);
  } else await checkIsResult(deps, request, signal);
  const expiresAtMs = clock.nowMs() + lifeMs;
  const token = signLink({ key: config.linkSecret, purpose: "download", cid: request.cid, expiresAtMs });
  return create(CreateDownloadLinkResponseSchema, {
    url: `${baseUrl(config.publicPublisherUrl)}/ipfs/${request.cid}?token=${token}`,
    expireTime: timestampFromMs(expiresAtMs),
  });
}

function lifeOf({ timeToLive }: CreateDownloadLinkRequest): number {
  const lifeMs = timeToLive === undefined ? LINK_LIFE_MS : msFromDuration(timeToLive);
  if (lifeMs > 0 && lifeMs <= LINK_LIFE_MS_MAX) return lifeMs;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `time_to_live is ${lifeMs / 1000} s; allowed are more than 0 and at most ${LINK_LIFE_MS_MAX / 1000} s.`,
  );
}

async function checkIsResult(deps: SchedulerApiDeps, { jobId, cid }: CreateDownloadLinkRequest, signal: AbortSignal): Promise<void> {
  const job = await findJob(deps.store, jobId);
  if (!(await hasResult(deps.store, job, cid))) {
    throw new DomainError("notFound", "RESULT_NOT_FOUND", `Job ${job.id} has no result with the content id "${cid.slice(0, 128)}".`, {
      metadata: { state: job.state },
      hint: "List the results of the job; a job that runs has none yet.",
    });
  }
  checkResultIsKept(job, deps.clock.nowMs());
  await checkIsInStore(deps, { job, cid }, signal);
}

/** A store that does not answer is for the reader of the link to wait for. */
async function checkIsInStore(deps: SchedulerApiDeps, { job, cid }: { job: Job; cid: string }, signal: AbortSignal): Promise<void> {
  if (deps.contentStore === undefined) return;
  try {
    await findKept(deps, cid, signal);
  } catch (cause) {
    if (hasReason(cause, "UPSTREAM_UNAVAILABLE")) return;
    if (!hasReason(cause, "RESULT_NOT_FOUND")) throw cause;
    throw new DomainError("notFound", "RESULT_NOT_FOUND", `The cluster's store no longer keeps the result ${cid} of job ${job.id}.`, {
      metadata: { jobId: job.id, state: job.state },
      hint: "Run the job again.",
      cause,
    });
  }
}

async function hasResult(store: StateStore, { id }: Job, cid: string): Promise<boolean> {
  if (cid === "") return false;
  for await (const execution of executionsOf(store, id)) {
    const result = resultOf(execution);
    if (result?.cid === cid || result?.manifestCid === cid) return true;
  }
  return false;
}

const LINK_LIFE_MS = 3_600_000;
const LINK_LIFE_MS_MAX = 24 * LINK_LIFE_MS;
