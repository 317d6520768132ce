import type { Logger } from "@skrei/platform/logger.ts";
import type { AgentPort, Clock, ContentStorePort, Randomness, StateStore } from "../ports.ts";
import type { Assigner } from "./assigner.ts";
import type { Committer } from "./committer.ts";
import type { DeadlineLoop } from "./deadline-loop.ts";
import type { LiveState } from "./live-state.ts";
import type { Broadcast } from "./notifier.ts";
import type { Placer } from "./placer.ts";

/** The knobs of the leader. */
export interface LeaderOptions {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly bidWindowMs: number;
  readonly bidFanout: number;
  readonly tickIntervalMs: number;
  readonly sweepIntervalMs: number;
  readonly leaseTtlMs: number;
  readonly jobRetentionMs: number;
  readonly nodeRetentionMs: number;
  /** New nodes may run work without an operator's word. */
  readonly approvesNodes: boolean;
}

interface ResultRetentionOptions {
  readonly contentStore: ContentStorePort;
  readonly intervalMs: number;
  readonly uploadRetentionMs: number;
}

/** What a scheduler needs of the world, whether it leads or not. */
export interface LeaderParts {
  readonly options: LeaderOptions;
  readonly store: StateStore;
  readonly agents: AgentPort;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Tells replicas apart in the lease. */
  readonly holder: string;
  /** None: nothing is ever let go. */
  readonly resultRetention?: ResultRetentionOptions;
}

/** One term of leadership: its memory and its loops. Dropped as a whole when the term ends. */
export interface TermContext extends LeaderParts {
  readonly term: number;
  readonly live: LiveState;
  readonly committer: Committer;
  readonly deadlines: DeadlineLoop;
  readonly placer: Placer;
  readonly assigner: Assigner;
  readonly nodesChanged: Broadcast;
  readonly usesChanged: Broadcast;
  /** Aborted when the term ends. */
  readonly signal: AbortSignal;
}
