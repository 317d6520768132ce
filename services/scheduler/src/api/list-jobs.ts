import { create } from "@bufbuild/protobuf";
import { parseJobId } from "@skrei/domain";
import { ListJobsResponseSchema } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { ListJobsRequest, ListJobsResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { jobToProto } from "@skrei/wire/job.ts";
import { parseJobFilter } from "../domain/job-filter.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { listMatchingJobs } from "./matching-jobs.ts";
import { cursorOf, pageSizeOf, pageTokenFor } from "./page.ts";

export async function listJobs({ store }: SchedulerApiDeps, { pageSize, pageToken, filter }: ListJobsRequest): Promise<ListJobsResponse> {
  const scope = ["jobs", filter];
  const limit = pageSizeOf(pageSize, 50);
  const before = cursorOf(scope, pageToken, parseJobId);
  const page = await listMatchingJobs(store, parseJobFilter(filter), { before, limit });
  return create(ListJobsResponseSchema, {
    jobs: page.jobs.map(jobToProto),
    nextPageToken: page.before === undefined ? "" : pageTokenFor(scope, page.before),
    totalSize: BigInt(await store.countJobs()),
  });
}
