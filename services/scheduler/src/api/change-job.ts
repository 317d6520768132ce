import { DomainError } from "@skrei/domain";
import type { Job } from "@skrei/domain";
import type { RerunJobRequest, StopJobRequest } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { parseRequestId } from "./submit-job.ts";

export async function stopJob({ commands, store }: SchedulerApiDeps, request: StopJobRequest): Promise<Job> {
  if (request.reason.length > REASON_LENGTH_MAX) {
    throw new DomainError(
      "invalid",
      "FIELD_INVALID",
      `reason has ${request.reason.length} characters; at most ${REASON_LENGTH_MAX} are allowed.`,
    );
  }
  const requestId = parseRequestId(request.requestId);
  const { id } = await findJob(store, request.jobId);
  return commands.stop({ requestId, jobId: id, reason: request.reason });
}

export async function rerunJob({ commands, store }: SchedulerApiDeps, request: RerunJobRequest): Promise<Job> {
  const requestId = parseRequestId(request.requestId);
  const { id } = await findJob(store, request.jobId);
  return commands.rerun({ requestId, jobId: id });
}

const REASON_LENGTH_MAX = 512;
