import { create } from "@bufbuild/protobuf";
import type { Execution, ExecutionId, JobId } from "@skrei/domain";
import { ResultSchema } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import type { Result as PbResult } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import { msFromTimestamp, timestampFromMs } from "./time.ts";

/** The result of one execution. */
export interface Result {
  readonly jobId: JobId;
  readonly executionId: ExecutionId;
  readonly partition: number;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly manifestCid: string;
  readonly exitCode: number;
  /** Only of a completed execution; one that is still to reach its target may yet be refused there. */
  readonly isAccepted: boolean;
  readonly endedAtMs: number | undefined;
  /** Where the publisher's target has it; empty for the cluster's store alone. */
  readonly deliveryUrl: string;
  /** When the cluster's store may let it go; undefined for with its job. */
  readonly expiresAtMs: number | undefined;
}

/** Undefined for an execution that has published nothing. */
export function resultOf(execution: Execution, expiresAtMs?: number): Result | undefined {
  if (execution.resultCid === undefined || !isPublished(execution)) return undefined;
  return {
    jobId: execution.jobId,
    executionId: execution.id,
    partition: execution.partition,
    cid: execution.resultCid,
    sizeBytes: execution.resultBytes ?? 0,
    manifestCid: execution.manifestCid ?? "",
    exitCode: execution.exitCode ?? 0,
    isAccepted: execution.state === "completed",
    endedAtMs: execution.endedAtMs,
    deliveryUrl: execution.deliveryUrl ?? "",
    expiresAtMs,
  };
}

export function resultToProto(result: Result): PbResult {
  const { sizeBytes, isAccepted, endedAtMs, expiresAtMs, ...rest } = result;
  return create(ResultSchema, {
    ...rest,
    sizeBytes: BigInt(sizeBytes),
    accepted: isAccepted,
    ...(endedAtMs !== undefined && { endTime: timestampFromMs(endedAtMs) }),
    ...(expiresAtMs !== undefined && { expireTime: timestampFromMs(expiresAtMs) }),
  });
}

export function resultFromProto(pb: PbResult): Result {
  return {
    jobId: pb.jobId as JobId,
    executionId: pb.executionId as ExecutionId,
    partition: pb.partition,
    cid: pb.cid,
    sizeBytes: Number(pb.sizeBytes),
    manifestCid: pb.manifestCid,
    exitCode: pb.exitCode,
    isAccepted: pb.accepted,
    endedAtMs: pb.endTime === undefined ? undefined : msFromTimestamp(pb.endTime),
    deliveryUrl: pb.deliveryUrl,
    expiresAtMs: pb.expireTime === undefined ? undefined : msFromTimestamp(pb.expireTime),
  };
}

/** A proposal's content id is known before its blocks are in the cluster's store; its manifest's not before they are. */
function isPublished({ state, manifestCid }: Execution): boolean {
  return manifestCid !== undefined || state === "completed" || state === "failed";
}
