import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError, parseNodeId } from "@skrei/domain";
import type { NodeId } from "@skrei/domain";
import { HeartbeatResponseSchema, JoinResponseSchema, ReportResponseSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type {
  AgentService,
  HeartbeatRequest,
  HeartbeatResponse,
  JoinRequest,
  JoinResponse,
  ReportRequest,
  ReportResponse,
} from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { MEMBERSHIP_TO_PROTO, nodeEnginesFromProto } from "@skrei/wire/node.ts";
import { nodeNetworkFromProto } from "@skrei/wire/network.ts";
import { boundedNodeNetwork } from "./bounded-network.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { parseJoin } from "./parse-join.ts";
import { parseReport } from "./parse-report.ts";

/** What agents call. Each call carries a credential of its own, the join token or the session, so no access token is asked for. */
export function createAgentService(deps: SchedulerApiDeps): ServiceImpl<typeof AgentService> {
  return {
    join: (request) => join(deps, request),
    heartbeat: (request) => heartbeat(deps, request),
    report: (request) => report(deps, request),
  };
}

async function join({ commands, clock, config }: SchedulerApiDeps, request: JoinRequest): Promise<JoinResponse> {
  const node = await commands.join(parseJoin(request, { joinToken: config.joinToken, nowMs: clock.nowMs() }));
  return create(JoinResponseSchema, {
    epoch: BigInt(node.epoch),
    session: node.session,
    busUrls: [...config.busUrls],
    busToken: config.busToken,
    heartbeatInterval: durationFromMs(config.heartbeatIntervalMs),
    cluster: config.cluster,
    publisherUrl: config.publicPublisherUrl,
    reservedUrls: [...config.reservedUrls],
    membership: MEMBERSHIP_TO_PROTO[node.membership],
  });
}

function heartbeat({ commands }: SchedulerApiDeps, request: HeartbeatRequest): HeartbeatResponse {
  const { nextIntervalMs, reportsAll } = commands.heartbeat({
    nodeId: nodeIdOf(request.nodeId),
    session: request.session,
    appliedToken: request.appliedToken,
    heldDigest: request.heldDigest,
    engines: nodeEnginesFromProto(request.engines),
    network: boundedNodeNetwork(nodeNetworkFromProto(request.network)),
    executions: request.executions,
  });
  return create(HeartbeatResponseSchema, { nextInterval: durationFromMs(nextIntervalMs), reportAll: reportsAll });
}

async function report({ commands }: SchedulerApiDeps, request: ReportRequest): Promise<ReportResponse> {
  if (request.reports.length > REPORTS_MAX) {
    throw new DomainError("invalid", "FIELD_INVALID", `reports has ${request.reports.length} entries; at most ${REPORTS_MAX} are allowed.`);
  }
  const reports = request.reports.flatMap((pb) => parseReport(pb) ?? []);
  await commands.report({ nodeId: nodeIdOf(request.nodeId), session: request.session, reports, isComplete: request.complete });
  return create(ReportResponseSchema);
}

function nodeIdOf(text: string): NodeId {
  const nodeId = parseNodeId(text);
  if (nodeId === undefined)
    throw new DomainError("precondition", "SESSION_ENDED", `"${text.slice(0, 80)}" is no node of this cluster.`, { hint: "Join again." });
  return nodeId;
}

const REPORTS_MAX = 1_000;
