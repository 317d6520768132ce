import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError, parseExecutionId } from "@skrei/domain";
import type { AgentControlService, StreamExecutionLogsResponse } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { askBatchFromProto, bidsToProto } from "@skrei/wire/ask.ts";
import { assignmentSetFromProto } from "@skrei/wire/assignment.ts";
import { logChunkToProto, logQueryFromProto } from "@skrei/wire/log-chunk.ts";
import { create } from "@bufbuild/protobuf";
import { AssignResponseSchema, type StreamExecutionLogsRequest } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { Capacity } from "../domain/capacity.ts";
import type { Bidding } from "../loops/bidding.ts";
import type { HeldExecutions } from "../loops/held-executions.ts";
import type { OutputLogs, Session } from "../ports.ts";

export interface AgentControlParts {
  readonly held: HeldExecutions;
  readonly bidding: Bidding;
  readonly capacity: Capacity;
  readonly logs: OutputLogs;
  /** The session that counts now; undefined before the first join. */
  readonly session: () => Session | undefined;
}

/** What the scheduler calls on this node. */
export function agentControlHandlers(parts: AgentControlParts): ServiceImpl<typeof AgentControlService> {
  return {
    ask: async (request) => {
      requireSession(parts, request.session);
      const { asks, bidWindowMs } = askBatchFromProto(request);
      return bidsToProto(await parts.bidding.answer(asks, bidWindowMs));
    },
    assign: async (request) => {
      requireSession(parts, request.session);
      const set = assignmentSetFromProto(request);
      for (const askId of set.releasedAskIds) parts.capacity.release(askId);
      return create(AssignResponseSchema, { appliedToken: await parts.held.apply(set) });
    },
    streamExecutionLogs: (request, { signal }) => streamLogs(parts, request, signal),
  };
}

async function* streamLogs(
  parts: AgentControlParts,
  request: StreamExecutionLogsRequest,
  signal: AbortSignal,
): AsyncGenerator<StreamExecutionLogsResponse> {
  const query = logQueryFromProto(request);
  if (parseExecutionId(query.executionId) === undefined || parts.held.get(query.executionId) === undefined) {
    throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `this node does not hold ${query.executionId}`, {
      hint: "its output may have been published with its result",
    });
  }
  for await (const chunk of parts.logs.read(query, signal)) yield logChunkToProto(chunk);
}

function requireSession({ session }: AgentControlParts, claimed: string): void {
  if (session()?.session === claimed) return;
  throw new DomainError("precondition", "SESSION_ENDED", "this node is in another session", { hint: "wait for its next heartbeat" });
}
