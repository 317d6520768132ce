import { generateKeyPairSync, sign } from "node:crypto";
import { createRouterTransport } from "@connectrpc/connect";
import type { Client, Interceptor, Transport } from "@connectrpc/connect";
import type { ExecutionId, ExecutionReport, NodeId, NodeNetwork } from "@skrei/domain";
import { DomainError, newNodeId, NO_NODE_NETWORK } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { systemClock, systemRandomness } from "@skrei/platform/clock.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { AgentService } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { nodeNetworkToProto } from "@skrei/wire/network.ts";
import { nodeDescriptionToProto } from "@skrei/wire/node.ts";
import { reportToProto } from "@skrei/wire/report.ts";
import { createSqliteStateStore } from "../../services/scheduler/src/adapters/sqlite-state-store.ts";
import type { SchedulerApiConfig, SchedulerApiDeps } from "../../services/scheduler/src/api/deps.ts";
import { createSchedulerRoutes } from "../../services/scheduler/src/api/routes.ts";
import { createLeader } from "../../services/scheduler/src/loops/leader.ts";
import type { AgentPort, Assignment, Clock, ContentStorePort, LogChunk, LogQuery, StateStore } from "../../services/scheduler/src/ports.ts";
import { eventually } from "./eventually.ts";

export interface ApiCluster extends AsyncDisposable {
  readonly jobs: Client<typeof JobService>;
  readonly nodes: Client<typeof NodeService>;
  readonly network: Client<typeof NetworkService>;
  readonly results: Client<typeof ResultService>;
  readonly data: Client<typeof DataService>;
  readonly agent: Client<typeof AgentService>;
  readonly transport: Transport;
  readonly store: StateStore;
  readonly agents: ScriptedAgents;
  /** Joins a node through the API, with a key and signature of its own. */
  join(name: string, network?: NodeNetwork): Promise<JoinedNode>;
}

export interface JoinedNode {
  readonly nodeId: NodeId;
  readonly session: string;
  /** What its network-proxy offers from now on, in a heartbeat that comes early. */
  offer(network: NodeNetwork): Promise<void>;
  report(reports: readonly ExecutionReport[]): Promise<void>;
}

/** Agents that take every ask; what they hold is there to look at, and their output is what the test sets. */
export class ScriptedAgents implements AgentPort {
  readonly assignments = new Map<ExecutionId, Assignment>();
  /** Output by execution; without an entry the node does not have the execution. */
  logs: (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogChunk> = noLogs;

  ask: AgentPort["ask"] = (_node, asks) =>
    Promise.resolve(
      asks.map(({ askId, partitions }) => ({
        askId,
        partitions,
        reason: undefined,
        message: "",
        missingBytes: 0,
        isImageMissing: false,
        queuedExecutions: 0,
      })),
    );

  assign: AgentPort["assign"] = (_node, set) => {
    for (const assignment of set.assignments) this.assignments.set(assignment.executionId, assignment);
    return Promise.resolve(set.resultsIn);
  };

  /** What a node's proxy says; without an entry it does not answer. */
  explain: AgentPort["explainEgress"] = ({ nodeId }) =>
    Promise.reject(new DomainError("unavailable", "NO_RESPONDER", `Nobody serves ${nodeId}.`));

  explainEgress: AgentPort["explainEgress"] = (node, request, signal) => this.explain(node, request, signal);

  /** What a node says of its data; without an entry it does not answer. */
  describe: AgentPort["describeData"] = ({ nodeId }) =>
    Promise.reject(new DomainError("unavailable", "NO_RESPONDER", `Nobody serves ${nodeId}.`));

  describeData: AgentPort["describeData"] = (node, signal) => this.describe(node, signal);

  streamLogs: AgentPort["streamLogs"] = (_node, query, signal) => this.logs(query, signal);
}

const CONFIG: SchedulerApiConfig = {
  joinToken: "join-token-of-the-test",
  linkSecret: "link-key-of-the-test",
  publisherUrl: "http://127.0.0.1:1236",
  publicPublisherUrl: "http://127.0.0.1:1236",
  cluster: "test",
  busUrls: ["nats://127.0.0.1:4222"],
  reservedUrls: ["tcp://127.0.0.1:6379"],
  busToken: "bus-token",
  heartbeatIntervalMs: 1_000,
  approvesNodes: true,
  jobRetentionMs: 3_600_000,
  uploadRetentionMs: 3_600_000,
};

/** The real API, leader and SQLite store of a scheduler; only the agents are scripted. */
export async function startApiCluster(
  change: {
    config?: Partial<SchedulerApiConfig>;
    publisherTransport?: () => Transport;
    contentStore?: ContentStorePort;
    /** Time of the API; the leader's is the system's. */
    clock?: Clock;
    interceptors?: Interceptor[];
    /** Fills the store before anybody leads. */
    prepare?: (store: StateStore) => Promise<void>;
  } = {},
): Promise<ApiCluster> {
  await using stack = new AsyncDisposableStack();
  const config = { ...CONFIG, ...change.config };
  const store = createSqliteStateStore({ path: ":memory:", clock: systemClock });
  await store.start();
  stack.defer(() => store.stop());
  await change.prepare?.(store);
  const agents = new ScriptedAgents();
  const leader = createLeader(leaderParts({ store, agents, approvesNodes: config.approvesNodes }), {
    onLead: () => Promise.resolve(),
    onStepDown: () => Promise.resolve(),
  });
  const left = new AbortController();
  const running = leader.run(left.signal).catch(() => undefined);
  stack.defer(async () => {
    left.abort();
    await running;
  });
  await eventually(
    () => leader.isLeading(),
    (isLeading) => isLeading,
    { withinMs: 5_000 },
  );
  const deps: SchedulerApiDeps = {
    commands: leader.commands,
    store,
    agents,
    clock: change.clock ?? systemClock,
    randomness: systemRandomness,
    logger: silentLogger,
    config,
    ...(change.contentStore !== undefined && { contentStore: change.contentStore }),
    ...(change.publisherTransport !== undefined && { publisherTransport: change.publisherTransport }),
  };
  const transport = clientErrors(
    createRouterTransport(createSchedulerRoutes(deps), {
      router: { interceptors: [serverErrors(silentLogger)] },
      transport: { interceptors: change.interceptors ?? [] },
    }),
  );
  const agent = createClient(AgentService, transport);
  const kept = stack.move();
  return {
    jobs: createClient(JobService, transport),
    nodes: createClient(NodeService, transport),
    network: createClient(NetworkService, transport),
    results: createClient(ResultService, transport),
    data: createClient(DataService, transport),
    agent,
    transport,
    store,
    agents,
    join: (name, network = NO_NODE_NETWORK) => joinNode(agent, { name, network, joinToken: config.joinToken }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A join as an agent sends it; `change` spoils it. */
export function joinRequest({
  name,
  joinToken,
  joinTimeMs = Date.now(),
  signedId,
  network = NO_NODE_NETWORK,
}: {
  name: string;
  joinToken: string;
  joinTimeMs?: number;
  signedId?: string;
  network?: NodeNetwork;
}) {
  const nodeId = newNodeId({ nowMs: () => Date.now(), randomBytes: () => systemRandomness.randomBytes() });
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const publicKeyBase64 = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url").toString("base64");
  const node = nodeDescriptionToProto({
    nodeId,
    name,
    labels: { os_type: "linux" },
    engines: [{ name: "docker", version: "29", isAvailable: true, message: "" }],
    network,
    capacity: { cpuMillis: 8_000, memoryBytes: 2 ** 34, diskBytes: 2 ** 40 },
    version: "0.1.0",
    publicKeyBase64,
  });
  const signature = sign(null, Buffer.from(`skrei-join:${signedId ?? nodeId}:${joinTimeMs}`), privateKey);
  return { joinToken, node, joinTimeMs: BigInt(joinTimeMs), signature: new Uint8Array(signature) };
}

async function joinNode(
  agent: Client<typeof AgentService>,
  node: { name: string; network: NodeNetwork; joinToken: string },
): Promise<JoinedNode> {
  const request = joinRequest(node);
  const nodeId = request.node.nodeId as NodeId;
  const { session } = await agent.join(request);
  const { engines } = request.node;
  const offer = async (network: NodeNetwork): Promise<void> =>
    void (await agent.heartbeat({ nodeId, session, engines, network: nodeNetworkToProto(network) }));
  await offer(node.network);
  return {
    nodeId,
    session,
    offer,
    report: async (reports) => void (await agent.report({ nodeId, session, reports: reports.map(reportToProto) })),
  };
}

function leaderParts({
  store,
  agents,
  approvesNodes,
}: {
  store: StateStore;
  agents: AgentPort;
  approvesNodes: boolean;
}): Parameters<typeof createLeader>[0] {
  return {
    store,
    agents,
    clock: systemClock,
    randomness: systemRandomness,
    logger: silentLogger,
    holder: "test",
    options: {
      heartbeatIntervalMs: 1_000,
      heartbeatTimeoutMs: 60_000,
      bidWindowMs: 500,
      bidFanout: 3,
      tickIntervalMs: 1,
      sweepIntervalMs: 1_000,
      leaseTtlMs: 5_000,
      jobRetentionMs: 3_600_000,
      nodeRetentionMs: 3_600_000,
      approvesNodes,
    },
  };
}

// eslint-disable-next-line require-yield -- A node that has nothing.
async function* noLogs({ executionId }: LogQuery): AsyncGenerator<LogChunk> {
  throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `no execution ${executionId}`);
}
