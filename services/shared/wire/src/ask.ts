import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Reason } from "@skrei/domain";
import { AskRequestSchema, AskResponseSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { AskRequest, AskResponse } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { reasonFromProto } from "./failure.ts";
import { createTaskReader, createTaskTable } from "./job-task.ts";
import type { JobTask } from "./job-task.ts";
import { msFromDuration } from "./time.ts";

/** One question to a node. */
export interface Ask {
  readonly askId: string;
  readonly job: JobTask;
  /** Partitions wanted of this node. */
  readonly partitions: number;
}

export interface AskBatch {
  readonly session: string;
  readonly asks: readonly Ask[];
  /** How long offers are kept. */
  readonly bidWindowMs: number;
}

/** A node's answer to an ask. */
export interface Bid {
  readonly askId: string;
  /** 0 is a refusal. */
  readonly partitions: number;
  readonly reason: Reason | undefined;
  readonly message: string;
  readonly missingBytes: number;
  readonly isImageMissing: boolean;
  readonly queuedExecutions: number;
}

export function askBatchToProto({ session, asks, bidWindowMs }: AskBatch): AskRequest {
  const table = createTaskTable();
  const pbAsks = asks.map(({ askId, job, partitions }) => ({ askId, taskIndex: table.indexOf(job), partitions }));
  return create(AskRequestSchema, { session, tasks: [...table.tasks], asks: pbAsks, bidWindow: durationFromMs(bidWindowMs) });
}

/** @throws as `createTaskReader`. */
export function askBatchFromProto(pb: AskRequest): AskBatch {
  const jobAt = createTaskReader(pb.tasks);
  return {
    session: pb.session,
    asks: pb.asks.map(({ askId, taskIndex, partitions }) => ({ askId, job: jobAt(taskIndex), partitions })),
    bidWindowMs: msFromDuration(pb.bidWindow),
  };
}

export function bidsToProto(bids: readonly Bid[]): AskResponse {
  return create(AskResponseSchema, {
    bids: bids.map(({ askId, partitions, reason, message, missingBytes, isImageMissing, queuedExecutions }) => ({
      askId,
      partitions,
      reason: reason ?? "",
      message,
      missingBytes: BigInt(Math.trunc(missingBytes)),
      imageMissing: isImageMissing,
      queuedExecutions,
    })),
  });
}

export function bidsFromProto(pb: AskResponse): readonly Bid[] {
  return pb.bids.map(({ askId, partitions, reason, message, missingBytes, imageMissing, queuedExecutions }) => ({
    askId,
    partitions,
    reason: reasonFromProto(reason),
    message,
    missingBytes: Number(missingBytes),
    isImageMissing: imageMissing,
    queuedExecutions,
  }));
}
