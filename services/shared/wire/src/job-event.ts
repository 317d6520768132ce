import { create } from "@bufbuild/protobuf";
import type { ExecutionId, JobEvent, JobId, NodeId } from "@skrei/domain";
import { JobEventSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { JobEvent as PbJobEvent } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { msOrZero, timestampFromMs } from "./time.ts";

export function jobEventToProto({ sequence, atMs, ...rest }: JobEvent): PbJobEvent {
  return create(JobEventSchema, { ...rest, sequence: BigInt(sequence), time: timestampFromMs(atMs) });
}

/** Proto's empty strings become absent. */
export function jobEventFromProto(pb: PbJobEvent): JobEvent {
  return {
    sequence: Number(pb.sequence),
    atMs: msOrZero(pb.time),
    type: pb.type,
    ...(pb.jobId !== "" && { jobId: pb.jobId as JobId }),
    ...(pb.executionId !== "" && { executionId: pb.executionId as ExecutionId }),
    ...(pb.nodeId !== "" && { nodeId: pb.nodeId as NodeId }),
    ...(pb.partition !== undefined && { partition: pb.partition }),
    ...(pb.from !== "" && { from: pb.from }),
    ...(pb.to !== "" && { to: pb.to }),
    ...(pb.reason !== "" && { reason: pb.reason }),
    ...(pb.message !== "" && { message: pb.message }),
  };
}
