import { create } from "@bufbuild/protobuf";
import type { Job, JobId, JobState, PartitionCounts, Waiting } from "@skrei/domain";
import { JobSchema, Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Job as PbJob, Waiting as PbWaiting } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { reverse } from "./enum-table.ts";
import { failureFromProto, failureToProto, reasonFromProto } from "./failure.ts";
import { jobSpecFromProto, jobSpecToProto } from "./job-spec.ts";
import { msFromTimestamp, msOrZero, timestampFromMs } from "./time.ts";

export const JOB_STATE_TO_PROTO = {
  pending: Job_State.PENDING,
  queued: Job_State.QUEUED,
  running: Job_State.RUNNING,
  completed: Job_State.COMPLETED,
  failed: Job_State.FAILED,
  stopped: Job_State.STOPPED,
} as const satisfies Record<JobState, Job_State>;

/** Undefined for a state of a newer peer. */
export const JOB_STATE_FROM_PROTO = reverse<JobState>(JOB_STATE_TO_PROTO);

export function jobToProto(job: Job): PbJob {
  return create(JobSchema, {
    jobId: job.id,
    version: job.version,
    spec: jobSpecToProto(job.spec),
    state: JOB_STATE_TO_PROTO[job.state],
    ...(job.failure !== undefined && { failure: failureToProto(job.failure) }),
    partitions: { ...job.partitions },
    ...(job.waiting !== undefined && { waiting: waitingToProto(job.waiting) }),
    createTime: timestampFromMs(job.createdAtMs),
    ...(job.startedAtMs !== undefined && { startTime: timestampFromMs(job.startedAtMs) }),
    ...(job.endedAtMs !== undefined && { endTime: timestampFromMs(job.endedAtMs) }),
    revision: BigInt(job.revision),
    ...(job.exitCode !== undefined && { exitCode: job.exitCode }),
  });
}

/**
 * For clients. A state that this version does not know reads as running, or as failed when the job has ended. `submittedAtMs` is
 * not on the wire and reads as the creation time.
 * @throws DomainError precondition/FEATURE_NOT_AVAILABLE, invalid/SOURCE_TYPE_UNSUPPORTED when the spec has what does not exist here.
 */
export function jobFromProto(pb: PbJob): Job {
  return {
    id: pb.jobId as JobId,
    version: pb.version,
    spec: jobSpecFromProto(pb.spec),
    state: JOB_STATE_FROM_PROTO.get(pb.state) ?? (pb.endTime === undefined ? "running" : "failed"),
    ...(pb.failure !== undefined && { failure: failureFromProto(pb.failure) }),
    partitions: partitionsFromProto(pb.partitions),
    ...(pb.waiting !== undefined && { waiting: waitingFromProto(pb.waiting) }),
    ...(pb.exitCode !== undefined && { exitCode: pb.exitCode }),
    createdAtMs: msOrZero(pb.createTime),
    submittedAtMs: msOrZero(pb.createTime),
    ...(pb.startTime !== undefined && { startedAtMs: msFromTimestamp(pb.startTime) }),
    ...(pb.endTime !== undefined && { endedAtMs: msFromTimestamp(pb.endTime) }),
    revision: Number(pb.revision),
  };
}

function partitionsFromProto(pb: PbJob["partitions"]): PartitionCounts {
  return { waiting: pb?.waiting ?? 0, running: pb?.running ?? 0, completed: pb?.completed ?? 0, failed: pb?.failed ?? 0 };
}

function waitingToProto(waiting: Waiting): NonNullable<Parameters<typeof create<typeof JobSchema>>[1]>["waiting"] {
  return {
    partitions: waiting.partitions,
    nodes: waiting.nodes,
    reasons: waiting.reasons.map(({ reason, message, nodes }) => ({ reason, message, nodes })),
    evaluateTime: timestampFromMs(waiting.evaluatedAtMs),
    impossible: waiting.isImpossible,
  };
}

function waitingFromProto(pb: PbWaiting): Waiting {
  return {
    partitions: pb.partitions,
    nodes: pb.nodes,
    reasons: pb.reasons.flatMap(({ reason, message, nodes }) => {
      const known = reasonFromProto(reason);
      return known === undefined ? [] : [{ reason: known, message, nodes }];
    }),
    evaluatedAtMs: msOrZero(pb.evaluateTime),
    isImpossible: pb.impossible,
  };
}
