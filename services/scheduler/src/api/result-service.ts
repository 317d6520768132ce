import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { contentIdRule, DomainError } from "@skrei/domain";
import type { Execution, ExecutionId, JobId } from "@skrei/domain";
import { signLink } from "@skrei/platform/signed-link.ts";
import {
  CreateDownloadLinkResponseSchema,
  CreateUploadLinkResponseSchema,
  ListResultsResponseSchema,
} from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import type {
  CreateDownloadLinkRequest,
  CreateDownloadLinkResponse,
  CreateUploadLinkRequest,
  CreateUploadLinkResponse,
  ListResultsRequest,
  ListResultsResponse,
  ResultService,
} from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { resultOf, resultToProto } from "@skrei/wire/result.ts";
import type { Result } from "@skrei/wire/result.ts";
import { msFromDuration, timestampFromMs } from "@skrei/wire/time.ts";
import type { StateStore } from "../ports.ts";
import type { SchedulerApiConfig, SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { cursorOf, pageSizeOf, pageTokenFor } from "./page.ts";

export function createResultService(deps: SchedulerApiDeps): ServiceImpl<typeof ResultService> {
  return {
    listResults: (request) => listResults(deps, request),
    createDownloadLink: (request) => createDownloadLink(deps, request),
    createUploadLink: (request) => createUploadLink(deps, request),
  };
}

/** Of the job's current version. The order is not the store's, so each page reads all executions and keeps the next few. */
async function listResults({ store }: SchedulerApiDeps, request: ListResultsRequest): Promise<ListResultsResponse> {
  const { id, version } = await findJob(store, request.jobId);
  const scope = ["results", id, String(version)];
  const limit = pageSizeOf(request.pageSize);
  const cursor = cursorOf(scope, request.pageToken, String) ?? "";
  let next: { readonly key: string; readonly result: Result }[] = [];
  for await (const execution of executionsOf(store, id)) {
    const result = execution.jobVersion === version ? resultOf(execution) : undefined;
    if (result === undefined || orderKey(result) <= cursor) continue;
    next.push({ key: orderKey(result), result });
    if (next.length > limit * 4) next = smallest(next, limit + 1);
  }
  next = smallest(next, limit + 1);
  const page = next.slice(0, limit);
  const last = next.length > limit ? page.at(-1) : undefined;
  return create(ListResultsResponseSchema, {
    results: page.map(({ result }) => resultToProto(result)),
    nextPageToken: last === undefined ? "" : pageTokenFor(scope, last.key),
  });
}

async function createDownloadLink(
  { store, clock, config }: SchedulerApiDeps,
  request: CreateDownloadLinkRequest,
): Promise<CreateDownloadLinkResponse> {
  checkLinks(config);
  const lifeMs = request.timeToLive === undefined ? LINK_LIFE_MS : msFromDuration(request.timeToLive);
  if (!(lifeMs > 0 && lifeMs <= LINK_LIFE_MS_MAX)) {
    throw new DomainError(
      "invalid",
      "FIELD_INVALID",
      `time_to_live is ${lifeMs / 1000} s; allowed are more than 0 and at most ${LINK_LIFE_MS_MAX / 1000} s.`,
    );
  }
  const job = await findJob(store, request.jobId);
  if (!(await hasResult(store, job.id, request.cid))) {
    throw new DomainError(
      "notFound",
      "RESULT_NOT_FOUND",
      `Job ${job.id} has no result with the content id "${request.cid.slice(0, 128)}".`,
      {
        metadata: { state: job.state },
        hint: "List the results of the job; a job that runs has none yet.",
      },
    );
  }
  const expiresAtMs = clock.nowMs() + lifeMs;
  const token = signLink({ key: config.linkSecret, purpose: "download", cid: request.cid, expiresAtMs });
  return create(CreateDownloadLinkResponseSchema, {
    url: `${baseUrl(config.publicPublisherUrl)}/ipfs/${request.cid}?token=${token}`,
    expireTime: timestampFromMs(expiresAtMs),
  });
}

function createUploadLink({ clock, config }: SchedulerApiDeps, { cid, sizeBytes }: CreateUploadLinkRequest): CreateUploadLinkResponse {
  checkLinks(config);
  const allowed = contentIdRule(cid);
  if (allowed !== undefined)
    throw new DomainError("invalid", "CONTENT_ID_INVALID", `cid is "${cid.slice(0, 128)}"; allowed is ${allowed}.`);
  if (sizeBytes < 0n) throw new DomainError("invalid", "FIELD_INVALID", `size_bytes is ${sizeBytes}; it must not be negative.`);
  const expiresAtMs = clock.nowMs() + LINK_LIFE_MS;
  return create(CreateUploadLinkResponseSchema, {
    url: baseUrl(config.publicPublisherUrl),
    // In a link 0 is unbounded, and an empty folder still has a block of its own.
    token: signLink({ key: config.linkSecret, purpose: "upload", cid, expiresAtMs, bytesMax: Math.max(1, Number(sizeBytes)) }),
    expireTime: timestampFromMs(expiresAtMs),
  });
}

/** An empty key would let anybody sign. */
function checkLinks({ linkSecret, publicPublisherUrl }: SchedulerApiConfig): void {
  if (linkSecret !== "" && publicPublisherUrl !== "") return;
  throw new DomainError(
    "precondition",
    "FEATURE_NOT_AVAILABLE",
    "This scheduler makes no links: it has no link key or does not know the cluster's publisher.",
    {
      hint: "Set linkSecret and publisherUrl of the scheduler.",
    },
  );
}

/** Accepted ones first, by partition; then the rest, by partition; all in the order of their execution ids. */
function orderKey({ isAccepted, partition, executionId }: Result): string {
  return `${isAccepted ? 0 : 1}/${String(partition).padStart(8, "0")}/${executionId}`;
}

function smallest<Entry extends { readonly key: string }>(entries: readonly Entry[], count: number): Entry[] {
  return entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)).slice(0, count);
}

async function hasResult(store: StateStore, jobId: JobId, cid: string): Promise<boolean> {
  if (cid === "") return false;
  for await (const execution of executionsOf(store, jobId)) {
    const result = resultOf(execution);
    if (result?.cid === cid || result?.manifestCid === cid) return true;
  }
  return false;
}

/** All of a job, oldest first, a page at a time. */
export async function* executionsOf(store: StateStore, jobId: JobId): AsyncGenerator<Execution> {
  let after: ExecutionId | undefined;
  for (;;) {
    const page = await store.listExecutions(jobId, after, EXECUTIONS_A_PAGE);
    yield* page;
    after = page.at(-1)?.id;
    if (page.length < EXECUTIONS_A_PAGE) return;
  }
}

function baseUrl(url: string): string {
  return url.replace(/\/+$/u, "");
}

const EXECUTIONS_A_PAGE = 1_000;
const LINK_LIFE_MS = 3_600_000;
const LINK_LIFE_MS_MAX = 24 * LINK_LIFE_MS;
