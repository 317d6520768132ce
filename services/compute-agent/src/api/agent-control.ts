import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError, parseExecutionId } from "@skrei/domain";
import type {
  AgentControlService,
  ExplainEgressResponse,
  StreamExecutionLogsResponse,
} from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { askBatchFromProto, bidsToProto } from "@skrei/wire/ask.ts";
import { assignmentSetFromProto } from "@skrei/wire/assignment.ts";
import { logChunkToProto, logQueryFromProto } from "@skrei/wire/log-chunk.ts";
import { networkFromProto, explanationToProto } from "@skrei/wire/network.ts";
import { create } from "@bufbuild/protobuf";
import {
  AssignResponseSchema,
  ExplainEgressResponseSchema,
  type ExplainEgressRequest,
  type StreamExecutionLogsRequest,
} from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { Capacity } from "../domain/capacity.ts";
import type { Bidding } from "../loops/bidding.ts";
import type { HeldExecutions } from "../loops/held-executions.ts";
import type { DoorPort, InputPort, OutputLogs, ResultPort, Session } from "../ports.ts";
import { describeData } from "./describe-data.ts";

export interface AgentControlParts {
  readonly held: HeldExecutions;
  readonly bidding: Bidding;
  readonly capacity: Capacity;
  readonly logs: OutputLogs;
  readonly doors: DoorPort;
  readonly inputs: InputPort;
  readonly results: ResultPort;
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
    explainEgress: async (request, { signal }) => {
      requireSession(parts, request.session);
      return await explainEgress(parts, request, signal);
    },
    describeData: async (request, { signal }) => {
      requireSession(parts, request.session);
      return await describeData(parts, signal);
    },
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

async function explainEgress(
  { doors }: AgentControlParts,
  { url, network: asked, executionId }: ExplainEgressRequest,
  signal: AbortSignal,
): Promise<ExplainEgressResponse> {
  const network = networkFromProto(asked);
  if (network === undefined) throw new DomainError("invalid", "FEATURE_NOT_AVAILABLE", "the node does not know this network mode");
  return create(ExplainEgressResponseSchema, {
    explanation: explanationToProto(await doors.explain({ url, network, executionId }, signal)),
  });
}

function requireSession({ session }: AgentControlParts, claimed: string): void {
  if (session()?.session === claimed) return;
  throw new DomainError("precondition", "SESSION_ENDED", "this node is in another session", { hint: "wait for its next heartbeat" });
}
