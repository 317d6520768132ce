import { create } from "@bufbuild/protobuf";
import { parseExecutionId } from "@skrei/domain";
import { ListExecutionsResponseSchema, ListJobEventsResponseSchema } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type {
  ListExecutionsRequest,
  ListExecutionsResponse,
  ListJobEventsRequest,
  ListJobEventsResponse,
} from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { executionToProto } from "@skrei/wire/execution.ts";
import { jobEventToProto } from "@skrei/wire/job-event.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJob } from "./find-job.ts";
import { cursorOf, pageSizeOf, pageTokenFor, parseSequence } from "./page.ts";

export async function listJobEvents({ store }: SchedulerApiDeps, request: ListJobEventsRequest): Promise<ListJobEventsResponse> {
  const { id } = await findJob(store, request.jobId);
  const scope = ["events", id];
  const limit = pageSizeOf(request.pageSize);
  const events = await store.listJobEvents(id, cursorOf(scope, request.pageToken, parseSequence) ?? 0, limit);
  const last = events.length < limit ? undefined : events.at(-1);
  return create(ListJobEventsResponseSchema, {
    events: events.map(jobEventToProto),
    nextPageToken: last === undefined ? "" : pageTokenFor(scope, String(last.sequence)),
  });
}

export async function listExecutions({ store }: SchedulerApiDeps, request: ListExecutionsRequest): Promise<ListExecutionsResponse> {
  const { id } = await findJob(store, request.jobId);
  const scope = ["executions", id];
  const limit = pageSizeOf(request.pageSize);
  const executions = await store.listExecutions(id, cursorOf(scope, request.pageToken, parseExecutionId), limit);
  const last = executions.length < limit ? undefined : executions.at(-1);
  return create(ListExecutionsResponseSchema, {
    executions: executions.map(executionToProto),
    nextPageToken: last === undefined ? "" : pageTokenFor(scope, last.id),
  });
}
