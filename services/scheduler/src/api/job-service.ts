import type { ServiceImpl } from "@connectrpc/connect";
import type { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { jobToProto } from "@skrei/wire/job.ts";
import { rerunJob, stopJob } from "./change-job.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { listExecutions, listJobEvents } from "./job-history.ts";
import { listJobs } from "./list-jobs.ts";
import { planJob } from "./plan-job.ts";
import { streamLogs } from "./stream-logs.ts";
import { submitJob, submitJobs } from "./submit-job.ts";
import { watchJobs } from "./watch-jobs.ts";

export function createJobService(deps: SchedulerApiDeps): ServiceImpl<typeof JobService> {
  return {
    submitJob: async (request, { signal }) => ({ job: jobToProto(await submitJob(deps, request, signal)) }),
    submitJobs: async (request, { signal }) => ({ jobs: (await submitJobs(deps, request, signal)).map(jobToProto) }),
    getJob: async ({ jobId }) => ({ job: jobToProto(await findJob(deps.store, jobId)) }),
    listJobs: (request) => listJobs(deps, request),
    watchJobs: (request, context) => watchJobs(deps, request, context.signal),
    stopJob: async (request) => ({ job: jobToProto(await stopJob(deps, request)) }),
    rerunJob: async (request) => ({ job: jobToProto(await rerunJob(deps, request)) }),
    planJob: (request, { signal }) => planJob(deps, request, signal),
    streamLogs: (request, context) => streamLogs(deps, request, context.signal),
    listJobEvents: (request) => listJobEvents(deps, request),
    listExecutions: (request) => listExecutions(deps, request),
  };
}
