import type {
  CacheState,
  EgressExplanation,
  Engine,
  EngineName,
  ExecutionId,
  ExecutionReport,
  InputSource,
  Network,
  NetworkUse,
  NodeEngine,
  NodeNetwork,
  PartitionPlace,
  Publisher,
  Resources,
  StoreState,
} from "@skrei/domain";

import type { ExecutionRecord } from "./domain/execution-record.ts";
import type { DividedInput } from "./domain/inputs-file.ts";
import type { Provenance } from "./domain/provenance.ts";
import type { Door, HeldRun, RunEnd, RunSpec } from "./domain/run.ts";

export type { Assignment, JobTask } from "./domain/assignment.ts";
export type { ExecutionRecord } from "./domain/execution-record.ts";
export type { DividedInput } from "./domain/inputs-file.ts";
export type { Provenance } from "./domain/provenance.ts";
export { NO_DOOR } from "./domain/run.ts";
export type { Door, HeldRun, Mount, RunEnd, RunLimits, RunSpec } from "./domain/run.ts";

/** Time and chance, passed in so that a simulation gives the same run for the same seed. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

export type OutputStream = "stdout" | "stderr";

/** Where a run's output goes. Never blocks the task for good: beyond its limit it drops and counts. */
export interface OutputSink {
  /** Resolves when more may be written (back-pressure). */
  write(stream: OutputStream, data: Uint8Array, atMs: number): Promise<void>;
  /** Bytes of a stream taken so far, over all agents of this execution; a re-attached run's output is skipped up to here. */
  bytesTaken(stream: OutputStream): number;
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
   * @throws DomainError notFound/IMAGE_NOT_FOUND, unavailable/IMAGE_PULL_FAILED, invalid/MODULE_INVALID, notFound/MODULE_NOT_FOUND, unavailable/ENGINE_FAILED,
   * and unavailable/SANDBOX_FAILED when the host path of a mount is itself a symbolic link.
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
  /**
   * Bytes not on the node yet, for one partition of `partitionCount`.
   * @throws DomainError forbidden/SOURCE_NOT_ALLOWED, invalid/SOURCE_TYPE_UNSUPPORTED to refuse a bid.
   */
  estimate(inputs: readonly InputSource[], partitionCount: number, signal: AbortSignal): Promise<{ missingBytes: number }>;
  /** A verified path, pinned until `release`. @throws DomainError with a SOURCE_… or CACHE_FULL reason. */
  fetch(request: InputRequest, signal: AbortSignal): Promise<FetchedInput>;
  release(leaseId: string): Promise<void>;
  /** What its cache holds. */
  state(signal: AbortSignal): Promise<CacheState>;
}

export interface InputRequest {
  readonly leaseId: string;
  readonly input: InputSource;
  readonly bytesMax: number;
  /** Whose part of an input that is divided. */
  readonly partition: PartitionPlace;
  /** At most four times a second; `bytesTotal` is 0 when unknown. */
  readonly onProgress: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;
}

export interface FetchedInput {
  readonly path: string;
  /** Empty for a local path. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Bytes that came from elsewhere for this. */
  readonly movedBytes: number;
  /** JSON file that lists what this partition got of an input that is divided; empty otherwise. */
  readonly filesPath: string;
  readonly isWritable: boolean;
}

/** The network-proxy of this node's host. */
export interface DoorPort {
  /** What it offers now. */
  policy(signal: AbortSignal): Promise<NodeNetwork>;
  /** @throws DomainError precondition/NETWORK_MODE_NOT_OFFERED, precondition/NETWORK_DOMAIN_NOT_ALLOWED naming what is missing. */
  check(network: Network, signal: AbortSignal): Promise<void>;
  /** Idempotent. @throws as `check`, and unavailable/DOOR_FAILED. */
  open(executionId: ExecutionId, network: Network, signal: AbortSignal): Promise<Door>;
  /** The final count, if there is something to tell. Unknown executions are fine. */
  close(executionId: ExecutionId): Promise<NetworkUse | undefined>;
  /** Executions of this node whose doors are open. */
  list(signal: AbortSignal): Promise<readonly ExecutionId[]>;
  /** Counts of this node's doors: all at first, then whatever has changed. Ends only by throwing. */
  watch(signal: AbortSignal): AsyncIterable<{ readonly executionId: ExecutionId; readonly use: NetworkUse }>;
  explain(request: EgressRequest, signal: AbortSignal): Promise<EgressExplanation>;
}

export interface EgressRequest {
  readonly url: string;
  readonly network: Network;
  /** Empty when none is meant. */
  readonly executionId: string;
}

/** The publisher of this node. */
export interface ResultPort {
  /** Takes the folder over and computes its content id. Idempotent per execution. */
  stage(
    request: { executionId: ExecutionId; folder: string; bytesMax: number },
    signal: AbortSignal,
  ): Promise<{ cid: string; sizeBytes: number; skippedPaths: readonly string[] }>;
  /** Whether this node publishes there; the target itself is not asked. @throws DomainError precondition/TARGET_NOT_OFFERED to refuse a bid. */
  check(publisher: Publisher, signal: AbortSignal): Promise<void>;
  /**
   * To the cluster's store, then to the target. What an earlier call did is not done again.
   * @throws DomainError unavailable/UPSTREAM_UNAVAILABLE, unavailable/TARGET_UNAVAILABLE: try again later;
   *   precondition/TARGET_NOT_OFFERED, precondition/TARGET_REFUSED: not again, and the cluster's store has the result.
   */
  publish(request: PublishRequest, signal: AbortSignal): Promise<PublishedResult>;
  /** Of one that stays in the cluster's store only the node's own copy may go. */
  drop(executionId: ExecutionId, options: { readonly staysInCluster: boolean }): Promise<void>;
  /** What its store holds. */
  state(signal: AbortSignal): Promise<StoreState>;
}

export interface PublishRequest {
  readonly executionId: ExecutionId;
  readonly provenance: Provenance;
  readonly publisher: Publisher;
  readonly onProgress: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;
  /** The cluster's store has it, with this manifest; its target not yet. Told by each call. */
  readonly onKept?: (manifestCid: string) => void;
}

export interface PublishedResult {
  readonly cid: string;
  readonly manifestCid: string;
  /** Empty when only the cluster's store has it. */
  readonly deliveryUrl: string;
}

export interface Session {
  readonly epoch: number;
  readonly session: string;
  readonly heartbeatIntervalMs: number;
  readonly isApproved: boolean;
  /** Services of the cluster that the scheduler named: its bus and its publisher. */
  readonly clusterUrls: readonly string[];
}

/** The scheduler, as the agent calls it. */
export interface SchedulerPort {
  /** @throws DomainError unauthenticated/JOIN_TOKEN_INVALID, forbidden/NODE_REJECTED, precondition/NODE_KEY_MISMATCH, unavailable/… (try again). */
  join(node: JoinDetails, signal: AbortSignal): Promise<Session>;
  /** @throws precondition/SESSION_ENDED: join again. */
  heartbeat(
    beat: {
      session: string;
      appliedToken: string;
      heldDigest: string;
      engines: readonly NodeEngine[];
      network: NodeNetwork;
      executions: number;
    },
    signal: AbortSignal,
  ): Promise<{ nextIntervalMs: number; reportsAll: boolean }>;
  /** Resolves when durable. @throws as heartbeat. */
  report(request: { session: string; reports: readonly ExecutionReport[]; isComplete: boolean }, signal: AbortSignal): Promise<void>;
}

export interface JoinDetails {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly engines: readonly NodeEngine[];
  readonly network: NodeNetwork;
  readonly capacity: Resources;
  readonly version: string;
}

/** What must outlive the agent. */
export interface ExecutionJournal {
  read(): { readonly appliedToken: string; readonly records: readonly ExecutionRecord[] };
  /** Atomic, and durable when it resolves; changes of the same moment share one sync of the disk. */
  save(change: JournalChange): Promise<void>;
}

export interface JournalChange {
  readonly appliedToken: string;
  readonly records: readonly ExecutionRecord[];
  readonly forgotten: readonly ExecutionId[];
}

/** The captured output of executions, kept until they are released. */
export interface OutputLogs {
  /** Followers may come from now on and wait, though there is no output yet. */
  expect(executionId: ExecutionId): void;
  /** There will be no more output: followers get their end. Idempotent. */
  end(executionId: ExecutionId): void;
  /**
   * Opens the log for writing; followers may come from the moment of the call. A log that an earlier agent left is repaired and
   * continued, or begun anew when `isFresh`. `rawFolder` exists and gets the files `stdout` and `stderr`.
   */
  open(executionId: ExecutionId, options: { readonly rawFolder: string; readonly isFresh: boolean }): Promise<OutputLog>;
  /** History first. Without `isFollowing` it ends at the end of what there is. @throws DomainError notFound/EXECUTION_NOT_FOUND. */
  read(query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk>;
  forget(executionId: ExecutionId): Promise<void>;
}

export interface OutputLog extends OutputSink {
  /** The last line of stderr, fit for a message; empty when there is none. */
  lastErrorLine(): string;
  /** Followers get their end. Idempotent. */
  close(): Promise<void>;
}

export interface LogQuery {
  readonly executionId: ExecutionId;
  /** Bytes of output, both streams, to skip. */
  readonly fromOffset: number;
  /** Start this many bytes before the end instead; 0 is off. */
  readonly tailBytes: number;
  readonly isFollowing: boolean;
}

/** A piece of output, at most 64 KiB; the last one is empty and has `isEnd`. */
export interface LogChunk {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
  /** To go on after this piece. */
  readonly nextOffset: number;
  readonly atMs: number;
  readonly isEnd: boolean;
  /** Output beyond the limit was dropped. */
  readonly isTruncated: boolean;
}

/** The folders of executions on this node's disk. */
export interface WorkFolders {
  /** Paths only. */
  of(executionId: ExecutionId): WorkFolder;
  /** Makes them, empty, with one folder for each output that the task can write to. */
  create(executionId: ExecutionId, outputNames: readonly string[]): Promise<void>;
  writeExitCode(executionId: ExecutionId, exitCode: number): Promise<void>;
  /** Gives the path of a file that says what the partition got, for the task to read. It goes with the folders. */
  writeInputsFile(executionId: ExecutionId, partition: PartitionPlace, inputs: readonly DividedInput[]): Promise<string>;
  /** Follows no link. Unknown executions are fine. */
  remove(executionId: ExecutionId): Promise<void>;
  list(): Promise<readonly ExecutionId[]>;
}

export interface WorkFolder {
  /** Becomes the result: `stdout`, `stderr`, `exitCode` and `outputs`. */
  readonly resultFolder: string;
  readonly outputsFolder: string;
  readonly scratchFolder: string;
}
