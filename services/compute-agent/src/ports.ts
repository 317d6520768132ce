import type {
  Engine,
  EngineName,
  ExecutionId,
  ExecutionState,
  Failure,
  InputSource,
  JobId,
  NetworkMode,
  NodeEngine,
  NodeId,
  Reason,
  Resources,
  Task,
} from "@skrei/domain";

/** Time and chance, passed in so that a simulation gives the same run for the same seed. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A folder or file of the host that the task sees. */
export interface Mount {
  /** Absolute path on the host. */
  readonly hostPath: string;
  /** Absolute path inside the task. */
  readonly target: string;
  readonly isReadOnly: boolean;
}

/** Everything an executor needs to run one execution. A closed type: nothing of the user's JSON is merged in. */
export interface RunSpec {
  readonly executionId: ExecutionId;
  readonly jobId: JobId;
  readonly epoch: number;
  readonly engine: Engine;
  /** The whole environment of the task, system variables included. */
  readonly env: Readonly<Record<string, string>>;
  /** Inputs (read-only) and outputs (writable, existing, owned so that the task can write). */
  readonly mounts: readonly Mount[];
  readonly limits: RunLimits;
  readonly network: NetworkMode;
  /** An existing folder of this execution for the executor's own scratch files; removed by the agent afterwards. */
  readonly scratchFolder: string;
}

export interface RunLimits {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Outputs and scratch together. */
  readonly diskBytes: number;
  /** Wall clock; 0 is none. The agent enforces it by `stop`; an executor may also use it for CPU limits. */
  readonly timeoutMs: number;
}

/** How a run ended. Exactly one of `exitCode` and `failure` is set, or both when the failure has an exit code (such as OUT_OF_MEMORY with 137). */
export interface RunEnd {
  readonly exitCode: number | undefined;
  readonly failure: Failure | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** 0 when unknown. */
  readonly peakMemoryBytes: number;
  /** Image id or `sha256:` of the module, for the manifest. */
  readonly imageDigest: string;
}

export type OutputStream = "stdout" | "stderr";

/** Where a run's output goes. Never blocks the task for good: beyond its limit it drops and counts. */
export interface OutputSink {
  /** Resolves when more may be written (back-pressure). */
  write(stream: OutputStream, data: Uint8Array, atMs: number): Promise<void>;
  /** Bytes of a stream taken so far, over all agents of this execution; a re-attached run's output is skipped up to here. */
  bytesTaken(stream: OutputStream): number;
}

/** A run that the engine still holds and that carries our mark. */
export interface HeldRun {
  readonly executionId: ExecutionId;
  readonly isRunning: boolean;
}

/**
 * An engine that runs tasks. Every verb may be repeated; "already done" is an answer, not a failure.
 * Failures that concern the task are DomainErrors or RunEnd.failure; anything else is a bug of the executor.
 */
export interface Executor {
  readonly name: EngineName;
  /** Connects, sweeps what earlier agents of this node left and cannot be adopted is left to `held` + `remove`. */
  start(): Promise<void>;
  /** Stops helpers (holders, hosts). Runs of tasks are not touched unless the executor cannot let them live. */
  close(): Promise<void>;
  /** Does the engine answer now? Never throws. */
  probe(): Promise<NodeEngine>;
  /** For bids: is the image here already? `mayExist` false refuses the bid. */
  checkImage(engine: Engine): Promise<{ isPresent: boolean }>;
  /**
   * Image present (pulled if need be), sandbox created, not started.
   * @throws DomainError notFound/IMAGE_NOT_FOUND, unavailable/IMAGE_PULL_FAILED, invalid/MODULE_INVALID, notFound/MODULE_NOT_FOUND, unavailable/ENGINE_FAILED.
   */
  prepare(run: RunSpec, signal: AbortSignal): Promise<void>;
  /** Starts the task; output goes to `sink` from its first byte. Resolves when it runs. @throws as prepare, and notFound/COMMAND_NOT_FOUND. */
  launch(run: RunSpec, sink: OutputSink, signal: AbortSignal): Promise<void>;
  /** Resolves with the end, once all output is in the sink. Aborting the signal stops waiting, not the task. */
  wait(executionId: ExecutionId, signal: AbortSignal): Promise<RunEnd>;
  /** Asks the task to end, and kills it after `graceMs`. `wait` then resolves. */
  stop(executionId: ExecutionId, graceMs: number): Promise<void>;
  /** Removes whatever the engine holds of this execution, running or not. */
  remove(executionId: ExecutionId): Promise<void>;
  /** What the engine holds with this node's mark, for re-adoption and the orphan sweep. */
  held(): Promise<readonly HeldRun[]>;
  /** Takes up a run that an earlier agent launched; output goes on after `sink.bytesTaken`. False when it cannot be taken up. */
  adopt(run: RunSpec, sink: OutputSink, signal: AbortSignal): Promise<boolean>;
}

/** The storage-fetcher of this node. */
export interface InputPort {
  /** Bytes not cached yet. @throws DomainError forbidden/SOURCE_NOT_ALLOWED, invalid/SOURCE_TYPE_UNSUPPORTED to refuse a bid. */
  estimate(inputs: readonly InputSource[], signal: AbortSignal): Promise<{ missingBytes: number }>;
  /** A verified, read-only path, pinned until `release`. @throws DomainError with a SOURCE_… or CACHE_FULL reason. */
  fetch(request: { leaseId: string; input: InputSource; bytesMax: number }, signal: AbortSignal): Promise<FetchedInput>;
  release(leaseId: string): Promise<void>;
}

export interface FetchedInput {
  readonly path: string;
  /** Empty for a local path. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** The network-proxy of this node. */
export interface DoorPort {
  modes(signal: AbortSignal): Promise<readonly NetworkMode[]>;
  /** Variables for the task's environment. Idempotent. */
  open(executionId: ExecutionId, mode: NetworkMode, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  close(executionId: ExecutionId): Promise<void>;
}

export interface Provenance {
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly partition: number;
  readonly nodeId: NodeId;
  readonly engine: EngineName;
  readonly imageDigest: string;
  readonly inputDigests: Readonly<Record<string, string>>;
  readonly exitCode: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** The publisher of this node. */
export interface ResultPort {
  /** Takes the folder over and computes its content id. Idempotent per execution. */
  stage(
    request: { executionId: ExecutionId; folder: string; bytesMax: number },
    signal: AbortSignal,
  ): Promise<{ cid: string; sizeBytes: number; skippedPaths: readonly string[] }>;
  /** @throws DomainError unavailable/UPSTREAM_UNAVAILABLE: try again later. */
  publish(
    request: { executionId: ExecutionId; provenance: Provenance },
    signal: AbortSignal,
  ): Promise<{ cid: string; manifestCid: string }>;
  drop(executionId: ExecutionId): Promise<void>;
}

export interface JobTask {
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly jobName: string;
  readonly partitionCount: number;
  readonly task: Task;
}

/** What the scheduler wants of one execution. */
export interface Assignment {
  readonly executionId: ExecutionId;
  readonly job: JobTask;
  readonly partition: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly desired: "run" | "stop";
  readonly verdict: "open" | "accepted" | "rejected";
  readonly askId: string;
  readonly isAcceptedAtOnce: boolean;
}

export interface Session {
  readonly epoch: number;
  readonly session: string;
  readonly heartbeatIntervalMs: number;
  readonly isApproved: boolean;
}

/** The scheduler, as the agent calls it. */
export interface SchedulerPort {
  /** @throws DomainError unauthenticated/JOIN_TOKEN_INVALID, forbidden/NODE_REJECTED, precondition/NODE_KEY_MISMATCH, unavailable/… (try again). */
  join(node: JoinDetails, signal: AbortSignal): Promise<Session>;
  /** @throws precondition/SESSION_ENDED: join again. */
  heartbeat(
    beat: { session: string; appliedToken: string; heldDigest: string; engines: readonly NodeEngine[]; executions: number },
    signal: AbortSignal,
  ): Promise<{ nextIntervalMs: number; reportsAll: boolean }>;
  /** Resolves when durable. @throws as heartbeat. */
  report(request: { session: string; reports: readonly Report[]; isComplete: boolean }, signal: AbortSignal): Promise<void>;
}

export interface JoinDetails {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly engines: readonly NodeEngine[];
  readonly capacity: Resources;
  readonly version: string;
}

/** An execution's observed state on its way to the scheduler. */
export interface Report {
  readonly executionId: ExecutionId;
  readonly epoch: number;
  readonly state: ExecutionState;
  readonly exitCode?: number;
  readonly failure?: Failure;
  readonly resultCid?: string;
  readonly resultBytes?: number;
  readonly manifestCid?: string;
  readonly peakMemoryBytes?: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
}

/** A refusal in a bid. */
export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
}
