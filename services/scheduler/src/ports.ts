import type {
  CacheState,
  Desired,
  EgressExplanation,
  Execution,
  ExecutionId,
  ExecutionReport,
  Job,
  JobEvent,
  JobId,
  JobSpec,
  JobState,
  Membership,
  Network,
  Node,
  NodeEngine,
  NodeId,
  NodeNetwork,
  Pin,
  Reason,
  Resources,
  StoreState,
  Task,
  Verdict,
} from "@skrei/domain";

/** Time and chance, passed in so that a simulation gives the same run for the same seed. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

export interface Randomness {
  randomBytes(): Uint8Array;
  /** In [0, 1). */
  random(): number;
}

/** One idempotency key and what it stands for. */
export interface RequestRecord {
  readonly requestId: string;
  /** Hash of the request; a different one is a conflict. */
  readonly fingerprint: string;
  readonly jobId: JobId;
  readonly expiresAtMs: number;
}

/** Everything that one tick of the leader changed. Applied as a whole or not at all. */
export interface StateChange {
  /** From `acquireLease`; a stale one is refused. */
  readonly term: number;
  readonly jobs: readonly Job[];
  readonly executions: readonly Execution[];
  readonly nodes: readonly Node[];
  readonly requests: readonly RequestRecord[];
  /** Sequence numbers follow the store's last one without a gap. */
  readonly events: readonly JobEvent[];
  /** Removed with their executions and events (retention). */
  readonly removedJobIds: readonly JobId[];
  readonly removedNodeIds: readonly NodeId[];
}

/** What a leader needs in memory: everything that has not ended. */
export interface LiveState {
  readonly nodes: readonly Node[];
  /** Jobs whose state is not final. */
  readonly jobs: readonly Job[];
  /** All executions of the current version of those jobs, and every execution that has not ended. */
  readonly executions: readonly Execution[];
  readonly lastSequence: number;
}

export type LeaseAnswer = { readonly isHeld: true; readonly term: number } | { readonly isHeld: false; readonly holder: string };

/** Newest first; `before` is exclusive. */
export interface JobQuery {
  /** Only these states; empty: all. Backed by an index. */
  readonly states: readonly JobState[];
  /** Only this namespace; undefined: all. Backed by an index. */
  readonly namespace: string | undefined;
  /** Only jobs older than this one in creation order. */
  readonly before: JobId | undefined;
  readonly limit: number;
}

/**
 * The one truth. Every method may throw DomainError unavailable/STORE_UNAVAILABLE; a write that threw may have happened.
 * Safe for concurrent calls, except `commit`, which the leader calls one at a time.
 */
export interface StateStore {
  /** Connects and checks the durability settings. @throws DomainError precondition/STORE_SETTINGS_UNSAFE naming each setting. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Takes or renews the lease of the leader. A new holder gets a higher term; the same holder keeps its own while it is valid. */
  acquireLease(lease: { holder: string; ttlMs: number }): Promise<LeaseAnswer>;
  /** Gives the lease up if `holder` has it. */
  releaseLease(holder: string): Promise<void>;
  loadLive(): Promise<LiveState>;
  /** Durable when it resolves with "committed". "staleTerm": nothing was written and this process no longer leads. */
  commit(change: StateChange): Promise<"committed" | "staleTerm">;
  getJob(id: JobId): Promise<Job | undefined>;
  getJobs(ids: readonly JobId[]): Promise<readonly Job[]>;
  /** Ids that begin with `prefix`, at most `limit`. */
  findJobIds(prefix: string, limit: number): Promise<readonly JobId[]>;
  /** Ids of jobs with exactly this name, newest first. */
  findJobIdsByName(name: string, limit: number): Promise<readonly JobId[]>;
  listJobs(query: JobQuery): Promise<readonly Job[]>;
  countJobs(): Promise<number>;
  /** Jobs that ended before `endedBeforeMs`, oldest first (retention). */
  listEndedJobIds(endedBeforeMs: number, limit: number): Promise<readonly JobId[]>;
  getExecution(id: ExecutionId): Promise<Execution | undefined>;
  /** Oldest first, after `after`. */
  listExecutions(jobId: JobId, after: ExecutionId | undefined, limit: number): Promise<readonly Execution[]>;
  listNodes(): Promise<readonly Node[]>;
  getRequest(requestId: string): Promise<RequestRecord | undefined>;
  /** Oldest first. */
  listJobEvents(jobId: JobId, afterSequence: number, limit: number): Promise<readonly JobEvent[]>;
  /** All events after a sequence number, oldest first. Gap-free unless retention removed the beginning (see `firstSequence`). */
  listEvents(afterSequence: number, limit: number): Promise<readonly JobEvent[]>;
  /** Oldest sequence number that `listEvents` still has, and the newest. */
  eventRange(): Promise<{ firstSequence: number; lastSequence: number }>;
  /** Resolves soon after the store has events beyond `afterSequence` (commit of this or another process), or when aborted. */
  waitForEvents(afterSequence: number, signal: AbortSignal): Promise<void>;
}

/** A spec that asks or assignments refer to. */
export interface JobTask {
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly jobName: string;
  readonly partitionCount: number;
  readonly task: Task;
}

export interface Ask {
  readonly askId: string;
  readonly job: JobTask;
  readonly partitions: number;
}

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

export interface Assignment {
  readonly executionId: ExecutionId;
  readonly job: JobTask;
  readonly partition: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly desired: Desired;
  readonly verdict: Verdict;
  readonly askId: string;
  readonly isAcceptedAtOnce: boolean;
}

export interface AssignmentSet {
  /** Empty for a complete set. */
  readonly appliesTo: string;
  readonly resultsIn: string;
  readonly isComplete: boolean;
  readonly assignments: readonly Assignment[];
  readonly releasedExecutionIds: readonly ExecutionId[];
  readonly releasedAskIds: readonly string[];
}

export interface LogChunk {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
  readonly nextOffset: number;
  readonly atMs: number;
  readonly isEnd: boolean;
  readonly isTruncated: boolean;
}

export interface LogQuery {
  readonly executionId: ExecutionId;
  readonly fromOffset: number;
  readonly tailBytes: number;
  readonly isFollowing: boolean;
}

/** The agents, as the scheduler calls them. One message per node and tick; calls time out. */
export interface AgentPort {
  /** @throws DomainError unavailable/NO_RESPONDER, timeout/DEADLINE_EXCEEDED, precondition/SESSION_ENDED. */
  ask(node: AgentAddress, asks: readonly Ask[], bidWindowMs: number, signal: AbortSignal): Promise<readonly Bid[]>;
  /** Returns the token of what the agent has applied. Throws as `ask`. */
  assign(node: AgentAddress, set: AssignmentSet, signal: AbortSignal): Promise<string>;
  /** What the node's network-proxy would say to a request. Throws as `ask`. */
  explainEgress(
    node: AgentAddress,
    request: { readonly url: string; readonly network: Network; readonly executionId: string },
    signal: AbortSignal,
  ): Promise<EgressExplanation>;
  /** What the node's input cache and its own content store hold; a part that does not answer is undefined. Throws as `ask`. */
  describeData(
    node: AgentAddress,
    signal: AbortSignal,
  ): Promise<{ readonly cache: CacheState | undefined; readonly store: StoreState | undefined }>;
  streamLogs(node: AgentAddress, query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk>;
}

export interface AgentAddress {
  readonly nodeId: NodeId;
  readonly session: string;
}

/** The cluster's content store. Every method throws DomainError unavailable/UPSTREAM_UNAVAILABLE when it does not answer. */
export interface ContentStorePort {
  pins(query: PinQuery, signal: AbortSignal): Promise<{ readonly pins: readonly Pin[]; readonly nextPageToken: string }>;
  /** @throws also notFound/BLOCK_MISSING when not everything below the root is there. */
  pin(pin: { readonly cid: string; readonly owner: string; readonly expiresAtMs: number | undefined }, signal: AbortSignal): Promise<void>;
  /** Pins that last longer stay as they are; owners that have none are fine. At most 1,000. */
  extend(owners: readonly string[], expiresAtMs: number, signal: AbortSignal): Promise<void>;
  /** Owners that have none are fine. At most 1,000. */
  unpin(owners: readonly string[], signal: AbortSignal): Promise<void>;
  collectGarbage(
    options: { readonly isDryRun: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly pins: number; readonly blocks: number; readonly sizeBytes: number }>;
  state(signal: AbortSignal): Promise<StoreState>;
}

interface PinQuery {
  readonly ownerPrefix: string;
  /** Empty: any. */
  readonly cid: string;
  readonly pageSize: number;
  /** Empty for the first page. */
  readonly pageToken: string;
}

export interface JoinCommand {
  readonly joinToken: string;
  readonly nodeId: NodeId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly engines: readonly NodeEngine[];
  readonly network: NodeNetwork;
  readonly capacity: Resources;
  readonly version: string;
  readonly publicKeyBase64: string;
}

export interface HeartbeatCommand {
  readonly nodeId: NodeId;
  readonly session: string;
  readonly appliedToken: string;
  readonly heldDigest: string;
  readonly engines: readonly NodeEngine[];
  readonly network: NodeNetwork;
  readonly executions: number;
}

/** A node with what changes too often to be stored. */
export interface NodeView {
  readonly node: Node;
  readonly allocated: Resources;
  readonly executions: number;
  readonly heartbeatAtMs: number | undefined;
}

/** An execution and what its task asked for. */
export interface NetworkedExecution {
  readonly execution: Execution;
  readonly jobName: string;
  readonly network: Network;
}

/** What one node would do with a spec. */
interface NodePlan {
  readonly nodeId: NodeId;
  readonly partitions: number;
  readonly reason: Reason | undefined;
  readonly message: string;
  readonly fitsWhenIdle: boolean;
  /** Of a partition's inputs, by the node's own word. */
  readonly missingBytes?: number;
}

/**
 * What the API asks of the leader. Every promise resolves when the change is durable, and rejects with a DomainError;
 * unavailable/NOT_LEADER when this process does not lead.
 */
export interface LeaderCommands {
  /** All or none; request ids make it idempotent. @throws conflict exists/REQUEST_ID_REUSED. Specs are valid already. */
  submit(requests: readonly { requestId: string; spec: JobSpec }[]): Promise<readonly Job[]>;
  stop(command: { requestId: string; jobId: JobId; reason: string }): Promise<Job>;
  /** @throws precondition/JOB_STILL_RUNNING. */
  rerun(command: { requestId: string; jobId: JobId }): Promise<Job>;
  /** Asks the nodes that have room; what they offer is released at once. */
  plan(spec: JobSpec): Promise<readonly NodePlan[]>;
  nodes(): readonly NodeView[];
  /** Resolves when `nodes()` may have changed since the call, or when aborted. */
  waitForNodes(signal: AbortSignal): Promise<void>;
  /** Those that have a network and have not ended, as the store has them; in no order. */
  networkedExecutions(): readonly NetworkedExecution[];
  /** Resolves when `networkedExecutions()` may have changed since the call, or when aborted. */
  waitForNetworkUse(signal: AbortSignal): Promise<void>;
  setMembership(nodeId: NodeId, membership: Membership): Promise<Node>;
  setDraining(nodeId: NodeId, isDraining: boolean): Promise<Node>;
  /** The join token and the signature are checked by the API before. @throws precondition/NODE_KEY_MISMATCH, forbidden/NODE_REJECTED. */
  join(command: JoinCommand): Promise<Node>;
  /** @throws precondition/SESSION_ENDED. */
  heartbeat(command: HeartbeatCommand): { nextIntervalMs: number; reportsAll: boolean };
  /** @throws precondition/SESSION_ENDED. */
  report(command: { nodeId: NodeId; session: string; reports: readonly ExecutionReport[]; isComplete: boolean }): Promise<void>;
}
