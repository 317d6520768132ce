import { create } from "@bufbuild/protobuf";
import type { ExecutionId } from "@skrei/domain";
import { StreamExecutionLogsRequestSchema, StreamExecutionLogsResponseSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { StreamExecutionLogsRequest, StreamExecutionLogsResponse } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { msOrZero, timestampFromMs } from "./time.ts";

type OutputStream = "stdout" | "stderr";

/** A piece of output; sits on the numbers that agent_service.proto names. */
export interface LogChunk {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
  readonly nextOffset: number;
  readonly atMs: number;
  readonly isEnd: boolean;
  readonly isTruncated: boolean;
}

export interface LogQuery {
  readonly executionId: ExecutionId;
  readonly fromOffset: number;
  /** Start this many bytes before the end instead; 0 is off. */
  readonly tailBytes: number;
  readonly isFollowing: boolean;
}

const STREAM_TO_PROTO = { stdout: 1, stderr: 2 } as const satisfies Record<OutputStream, number>;

export function logQueryToProto(query: LogQuery): StreamExecutionLogsRequest {
  return create(StreamExecutionLogsRequestSchema, {
    executionId: query.executionId,
    fromOffset: BigInt(query.fromOffset),
    follow: query.isFollowing,
    tailBytes: BigInt(query.tailBytes),
  });
}

export function logQueryFromProto(pb: StreamExecutionLogsRequest): LogQuery {
  return {
    executionId: pb.executionId as ExecutionId,
    fromOffset: Number(pb.fromOffset),
    tailBytes: Number(pb.tailBytes),
    isFollowing: pb.follow,
  };
}

export function logChunkToProto(chunk: LogChunk): StreamExecutionLogsResponse {
  return create(StreamExecutionLogsResponseSchema, {
    stream: STREAM_TO_PROTO[chunk.stream],
    data: chunk.data,
    nextOffset: BigInt(chunk.nextOffset),
    time: timestampFromMs(chunk.atMs),
    end: chunk.isEnd,
    truncated: chunk.isTruncated,
  });
}

/** Whatever is not standard error reads as standard output. */
export function logChunkFromProto(pb: StreamExecutionLogsResponse): LogChunk {
  return {
    stream: pb.stream === STREAM_TO_PROTO.stderr ? "stderr" : "stdout",
    data: pb.data,
    nextOffset: Number(pb.nextOffset),
    atMs: msOrZero(pb.time),
    isEnd: pb.end,
    isTruncated: pb.truncated,
  };
}
