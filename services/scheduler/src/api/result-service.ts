import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { contentIdRule, DomainError } from "@skrei/domain";
import { signLink } from "@skrei/platform/signed-link.ts";
import { CreateUploadLinkResponseSchema, ListResultsResponseSchema } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import type {
  CreateUploadLinkRequest,
  CreateUploadLinkResponse,
  ListResultsRequest,
  ListResultsResponse,
  ResultService,
} from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { resultOf, resultToProto } from "@skrei/wire/result.ts";
import type { Result } from "@skrei/wire/result.ts";
import { timestampFromMs } from "@skrei/wire/time.ts";
import { resultExpiresAtMs } from "../domain/result-expiry.ts";
import { createDownloadLink } from "./create-download-link.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { executionsOf } from "./executions-of.ts";
import { findJob } from "./find-job.ts";
import { baseUrl, checkLinks } from "./links.ts";
import { cursorOf, pageSizeOf, pageTokenFor } from "./page.ts";

export function createResultService(deps: SchedulerApiDeps): ServiceImpl<typeof ResultService> {
  return {
    listResults: (request) => listResults(deps, request),
    createDownloadLink: (request, { signal }) => createDownloadLink(deps, request, signal),
    createUploadLink: (request) => createUploadLink(deps, request),
  };
}

/** Of the job's current version. The order is not the store's, so each page reads all executions and keeps the next few. */
async function listResults({ store }: SchedulerApiDeps, request: ListResultsRequest): Promise<ListResultsResponse> {
  const job = await findJob(store, request.jobId);
  const { id, version } = job;
  const expiresAtMs = resultExpiresAtMs(job);
  const scope = ["results", id, String(version)];
  const limit = pageSizeOf(request.pageSize);
  const cursor = cursorOf(scope, request.pageToken, String) ?? "";
  let next: { readonly key: string; readonly result: Result }[] = [];
  for await (const execution of executionsOf(store, id)) {
    const result = execution.jobVersion === version ? resultOf(execution, expiresAtMs) : undefined;
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
    pinExpireTime: timestampFromMs(clock.nowMs() + config.uploadRetentionMs),
  });
}

/** Accepted ones first, by partition; then the rest, by partition; all in the order of their execution ids. */
function orderKey({ isAccepted, partition, executionId }: Result): string {
  return `${isAccepted ? 0 : 1}/${String(partition).padStart(8, "0")}/${executionId}`;
}

function smallest<Entry extends { readonly key: string }>(entries: readonly Entry[], count: number): Entry[] {
  return entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)).slice(0, count);
}

const LINK_LIFE_MS = 3_600_000;
