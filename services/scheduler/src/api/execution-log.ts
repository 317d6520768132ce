import { create } from "@bufbuild/protobuf";
import { DomainError, hasReason, isExecutionEnded } from "@skrei/domain";
import type { Execution, ExecutionId } from "@skrei/domain";
import { StreamLogsResponseSchema, StreamLogsResponse_Stream } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { StreamLogsResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { resultOf } from "@skrei/wire/result.ts";
import { timestampFromMs } from "@skrei/wire/time.ts";
import type { AgentAddress, LogChunk, LogQuery, StateStore } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { knownNodes } from "./known-nodes.ts";
import { publishedBlocks } from "./published-blocks.ts";
import { readPublishedOutput } from "./published-output.ts";
import { pause, waitAtMost } from "./wait.ts";

/**
 * The output of one execution: from its node while the node has it, else from its published result.
 * @throws DomainError unavailable/LOGS_UNAVAILABLE when neither has it.
 */
export async function* executionLog(deps: SchedulerApiDeps, query: LogQuery, signal: AbortSignal): AsyncGenerator<StreamLogsResponse> {
  let rest = query;
  while (!signal.aborted) {
    const { lastSequence } = await deps.store.eventRange();
    const execution = await deps.store.getExecution(query.executionId);
    if (execution === undefined) return;
    const isLastChance = isExecutionEnded(execution.state) || !query.isFollowing;
    if (hasOutput(execution)) {
      const answer = yield* liveLog(deps, execution, { query: rest, signal });
      if (answer.isComplete) return;
      if (isLastChance) return yield* publishedLog(deps, execution, { query, signal, answer });
      if (answer.nextOffset !== rest.fromOffset) rest = { ...rest, fromOffset: answer.nextOffset, tailBytes: 0 };
    } else if (isLastChance) {
      return yield create(StreamLogsResponseSchema, { ...namesOf(execution), end: true });
    }
    await untilAfter(deps, lastSequence, signal);
  }
}

/** Resolves when the store has news after `sequence`, at most every 250 ms, at least every 5 s. */
export async function untilAfter(
  { store, clock }: { readonly store: StateStore } & Pick<SchedulerApiDeps, "clock">,
  sequence: number,
  signal: AbortSignal,
): Promise<void> {
  await waitAtMost(WAIT_MS_MAX, { clock, signal }, (until) => store.waitForEvents(sequence, until));
  await pause(WAIT_MS_MIN, { clock, signal });
}

interface LiveAnswer {
  readonly isComplete: boolean;
  readonly nextOffset: number;
  readonly cause: unknown;
}

async function* liveLog(
  deps: SchedulerApiDeps,
  execution: Execution,
  { query, signal }: { readonly query: LogQuery; readonly signal: AbortSignal },
): AsyncGenerator<StreamLogsResponse, LiveAnswer> {
  let nextOffset = query.fromOffset;
  const address = await addressOf(deps, execution);
  if (address === undefined) return { isComplete: false, nextOffset, cause: undefined };
  try {
    for await (const chunk of deps.agents.streamLogs(address, query, signal)) {
      nextOffset = chunk.nextOffset;
      yield fromChunk(execution, chunk);
      if (chunk.isEnd) return { isComplete: true, nextOffset, cause: undefined };
    }
  } catch (cause) {
    if (!isNodeGone(cause)) throw cause;
    return { isComplete: false, nextOffset, cause };
  }
  // Without following, the end of what there is now is the end.
  return { isComplete: !query.isFollowing, nextOffset, cause: undefined };
}

async function* publishedLog(
  deps: SchedulerApiDeps,
  execution: Execution,
  { query, signal, answer }: { readonly query: LogQuery; readonly signal: AbortSignal; readonly answer: LiveAnswer },
): AsyncGenerator<StreamLogsResponse> {
  // Positions in the files of the result are others than those in the node's log.
  if (answer.nextOffset !== query.fromOffset) throw unavailable(execution, "broke off", answer.cause);
  const result = resultOf(execution);
  const load = result === undefined ? undefined : publishedBlocks(deps, result.cid, signal);
  if (result === undefined || load === undefined) throw unavailable(execution, "is out of reach", answer.cause);
  let nextOffset = query.fromOffset;
  const time = timestampFromMs(execution.endedAtMs ?? execution.createdAtMs);
  try {
    for await (const piece of readPublishedOutput(load, { ...query, resultCid: result.cid })) {
      nextOffset = piece.nextOffset;
      yield create(StreamLogsResponseSchema, {
        ...namesOf(execution),
        ...piece,
        stream: STREAM_TO_PROTO[piece.stream],
        nextOffset: BigInt(nextOffset),
        time,
      });
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw unavailable(execution, "is out of reach, and so is its published result", error);
  }
  yield create(StreamLogsResponseSchema, { ...namesOf(execution), nextOffset: BigInt(nextOffset), time, end: true });
}

/** Undefined when the node is not connected. */
async function addressOf(deps: SchedulerApiDeps, { nodeId }: Execution): Promise<AgentAddress | undefined> {
  const node = (await knownNodes(deps)).find(({ id }) => id === nodeId);
  return node?.connection === "connected" ? { nodeId, session: node.session } : undefined;
}

function hasOutput({ state, startedAtMs }: Execution): boolean {
  return isExecutionEnded(state) ? startedAtMs !== undefined : state !== "assigned" && state !== "preparing";
}

function isNodeGone(error: unknown): boolean {
  if (!(error instanceof DomainError)) return false;
  return (
    error.kind === "unavailable" || error.kind === "timeout" || hasReason(error, "EXECUTION_NOT_FOUND") || hasReason(error, "SESSION_ENDED")
  );
}

function unavailable({ id, nodeId, state }: Execution, what: string, cause: unknown): DomainError {
  return new DomainError("unavailable", "LOGS_UNAVAILABLE", `The output of ${id} on node ${nodeId} ${what}.`, {
    metadata: { executionId: id, nodeId, state },
    hint: "Try again from the start; when the node is back, or its result is published, the output is there.",
    cause,
  });
}

function fromChunk(execution: Execution, chunk: LogChunk): StreamLogsResponse {
  return create(StreamLogsResponseSchema, {
    ...namesOf(execution),
    stream: STREAM_TO_PROTO[chunk.stream],
    data: chunk.data,
    nextOffset: BigInt(chunk.nextOffset),
    time: timestampFromMs(chunk.atMs),
    end: chunk.isEnd,
    truncated: chunk.isTruncated,
  });
}

function namesOf({ id, partition }: Execution): { executionId: ExecutionId; partition: number } {
  return { executionId: id, partition };
}

const STREAM_TO_PROTO = {
  stdout: StreamLogsResponse_Stream.STDOUT,
  stderr: StreamLogsResponse_Stream.STDERR,
} as const satisfies Record<LogChunk["stream"], StreamLogsResponse_Stream>;

const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 5_000;
