import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DomainError } from "@skrei/domain";
import type { JobSpec, RetryPolicy } from "@skrei/domain";
import { JobSpecSchema, JobSpec_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { JobSpec as PbJobSpec } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { constraintFromProto, constraintToProto } from "./constraint.ts";
import { JOB_TYPE_FROM_PROTO, JOB_TYPE_TO_PROTO } from "./job-type.ts";
import { taskFromProto, taskToProto } from "./task.ts";
import { msFromDuration } from "./time.ts";

export function jobSpecToProto(spec: JobSpec): PbJobSpec {
  return create(JobSpecSchema, {
    name: spec.name,
    namespace: spec.namespace,
    type: JOB_TYPE_TO_PROTO[spec.type],
    priority: spec.priority,
    count: spec.count,
    labels: spec.labels,
    meta: spec.meta,
    constraints: spec.constraints.map(constraintToProto),
    task: taskToProto(spec.task),
    retry: {
      maxAttempts: spec.retry.attemptsMax,
      backoff: durationFromMs(spec.retry.backoffMs),
      backoffMax: durationFromMs(spec.retry.backoffMsMax),
      retryUserFailures: spec.retry.retriesUserFailures,
      retryExitCodes: [...spec.retry.retryExitCodes],
    },
  });
}

/**
 * Trusted form, for clients that read what the server stored; a request goes through `parseJobSpec`.
 * @throws DomainError precondition/FEATURE_NOT_AVAILABLE, invalid/SOURCE_TYPE_UNSUPPORTED for what does not exist here.
 */
export function jobSpecFromProto(pb: PbJobSpec | undefined): JobSpec {
  const type = JOB_TYPE_FROM_PROTO.get(pb?.type ?? JobSpec_Type.BATCH);
  if (pb?.task === undefined || type === undefined) {
    throw new DomainError("precondition", "FEATURE_NOT_AVAILABLE", "The job has no task or a type that this version does not know.", {
      hint: "Upgrade this client to the version of the server.",
    });
  }
  return {
    name: pb.name,
    namespace: pb.namespace,
    type,
    priority: pb.priority,
    count: pb.count,
    labels: { ...pb.labels },
    meta: { ...pb.meta },
    constraints: pb.constraints.flatMap((constraint) => constraintFromProto(constraint) ?? []),
    task: taskFromProto(pb.task),
    retry: retryFromProto(pb.retry),
  };
}

function retryFromProto(pb: PbJobSpec["retry"]): RetryPolicy {
  return {
    attemptsMax: pb?.maxAttempts ?? 0,
    backoffMs: msFromDuration(pb?.backoff),
    backoffMsMax: msFromDuration(pb?.backoffMax),
    retriesUserFailures: pb?.retryUserFailures ?? false,
    retryExitCodes: [...(pb?.retryExitCodes ?? [])],
  };
}
