import type { ExecutionReport } from "@skrei/domain";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createRouterTransport, type ConnectRouter, type Transport } from "@connectrpc/connect";
import { DomainError, type EgressExplanation, type ExecutionId, type Network, type NodeId } from "@skrei/domain";
import type { Assignment } from "@skrei/compute-agent/ports";
import type { Bus } from "@skrei/platform/bus.ts";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { AgentControlService, AgentService, type HeartbeatRequest } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { Node_Membership } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { askBatchToProto, bidsFromProto, type Ask, type Bid } from "@skrei/wire/ask.ts";
import { assignmentSetToProto } from "@skrei/wire/assignment.ts";
import { logChunkFromProto, logQueryToProto, type LogChunk, type LogQuery } from "@skrei/wire/log-chunk.ts";
import { explanationFromProto, networkToProto } from "@skrei/wire/network.ts";
import { reportFromProto } from "@skrei/wire/report.ts";
import { eventually } from "./eventually.ts";

/** The scheduler's side of the agent contract, played from a test: it decides nothing by itself and remembers what it was told. */
export class ScriptedScheduler {
  readonly bus: Bus;
  /** Where nodes are told to find the bus; of no matter when they are handed it. */
  readonly #busUrls: readonly string[];
  readonly heartbeats: HeartbeatRequest[] = [];
  readonly reports: ExecutionReport[] = [];
  completeReports = 0;
  joins = 0;
  session = "";
  nodeId: NodeId | undefined;
  /** While true, reports fail: they must come again. */
  isDeaf = false;
  /** While true, an operator has rejected the node. */
  isRejecting = false;
  #token = "";
  #tokens = 0;

  constructor({
    bus = createMemoryBus(),
    busUrls = ["bus.cluster:4222"],
  }: { readonly bus?: Bus; readonly busUrls?: readonly string[] } = {}) {
    this.bus = bus;
    this.#busUrls = busUrls;
  }

  async start(): Promise<void> {
    await this.bus.serve({ kind: "scheduler" }, this.routes);
  }

  get joinTransport(): Transport {
    return clientErrors(createRouterTransport(this.routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
  }

  /** The agent hears of it with its next call. */
  endSession(): void {
    this.session = "";
  }

  async assign(
    assignments: readonly Assignment[],
    extra: { isComplete?: boolean; appliesTo?: string; releasedExecutionIds?: ExecutionId[] } = {},
  ): Promise<string> {
    const { isComplete = false, releasedExecutionIds = [] } = extra;
    const appliesTo = isComplete ? "" : (extra.appliesTo ?? this.#token);
    const resultsIn = `t.${++this.#tokens}`;
    const set = { appliesTo, resultsIn, isComplete, assignments, releasedExecutionIds, releasedAskIds: [] };
    const { appliedToken } = await this.#control().assign(assignmentSetToProto(this.session, set));
    this.#token = appliedToken;
    return appliedToken;
  }

  async ask(asks: readonly Ask[], bidWindowMs = 60_000): Promise<readonly Bid[]> {
    return bidsFromProto(await this.#control().ask(askBatchToProto({ session: this.session, asks, bidWindowMs })));
  }

  async logs(query: Partial<LogQuery> & { executionId: ExecutionId }): Promise<{ text: string; chunks: LogChunk[] }> {
    const chunks: LogChunk[] = [];
    const full = { fromOffset: 0, tailBytes: 0, isFollowing: false, ...query };
    for await (const pb of this.#control().streamExecutionLogs(logQueryToProto(full))) chunks.push(logChunkFromProto(pb));
    return { text: Buffer.concat(chunks.map(({ data }) => data)).toString(), chunks };
  }

  /** Undefined when the node's answer holds no explanation. */
  async explain(request: { url: string; network: Network; executionId?: string }): Promise<EgressExplanation | undefined> {
    const { url, network, executionId = "" } = request;
    const pb = { session: this.session, url, network: networkToProto(network), executionId };
    const { explanation } = await this.#control().explainEgress(pb);
    return explanation === undefined ? undefined : explanationFromProto(explanation);
  }

  statesOf(executionId: ExecutionId): string[] {
    return this.reports.filter((report) => report.executionId === executionId).map(({ state }) => state);
  }

  reportOf(executionId: ExecutionId): ExecutionReport | undefined {
    return this.reports.findLast((report) => report.executionId === executionId);
  }

  /** Waits until the execution is reported in one of the states. */
  async reported(executionId: ExecutionId, states: readonly string[], withinMs = 20_000): Promise<ExecutionReport> {
    const report = await eventually(
      () => this.reportOf(executionId),
      (latest) => latest !== undefined && states.includes(latest.state),
      { withinMs },
    );
    if (report === undefined) throw new Error("unreachable");
    return report;
  }

  joined(times = 1): Promise<unknown> {
    return eventually(
      () => (this.session === "" ? 0 : this.joins),
      (joins) => joins >= times,
      { withinMs: 20_000 },
    );
  }

  readonly routes = ({ service }: ConnectRouter): void => {
    service(AgentService, {
      join: ({ node }) => {
        this.#refuseRejected();
        this.nodeId = node?.nodeId as NodeId;
        this.joins++;
        this.session = `session-${this.joins}`;
        return {
          epoch: BigInt(this.joins),
          session: this.session,
          heartbeatInterval: durationFromMs(100),
          cluster: "test",
          busUrls: [...this.#busUrls],
          publisherUrl: "http://publisher.cluster:1236",
          reservedUrls: ["tcp://store.cluster:6379"],
          membership: Node_Membership.APPROVED,
        };
      },
      heartbeat: (request) => {
        this.#check(request.session);
        this.heartbeats.push(request);
        return { nextInterval: durationFromMs(100), reportAll: false };
      },
      report: ({ session, reports, complete }) => {
        this.#check(session);
        if (this.isDeaf) throw new DomainError("unavailable", "STORE_UNAVAILABLE", "nothing was accepted");
        if (complete) this.completeReports++;
        this.reports.push(...reports.map(reportFromProto).filter((report) => report !== undefined));
        return {};
      },
    });
  };

  #check(session: string): void {
    this.#refuseRejected();
    if (session !== this.session) throw new DomainError("precondition", "SESSION_ENDED", "join again");
  }

  #refuseRejected(): void {
    if (this.isRejecting) throw new DomainError("forbidden", "NODE_REJECTED", "an operator rejected this node");
  }

  #control() {
    if (this.nodeId === undefined) throw new Error("no node has joined");
    return createClient(AgentControlService, this.bus.transport({ kind: "node", nodeId: this.nodeId }));
  }
}
