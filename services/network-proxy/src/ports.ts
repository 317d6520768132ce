import type { Network, NetworkMode, NetworkUse } from "@skrei/domain";
import type { Denial, EgressTarget } from "./domain/decide-egress.ts";
import type { NetworkPolicy } from "./domain/network-policy.ts";
import type { RateBucket } from "./domain/rate-bucket.ts";

/** Time, passed in so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A policy as it was last read, in the operator's words and in ours. */
export interface LoadedPolicy {
  readonly policy: NetworkPolicy;
  /** The operator's list in canonical spelling. */
  readonly domains: readonly string[];
  /** Empty: the machine's own. */
  readonly dnsServers: readonly string[];
  /** Changes when anything of the policy does. */
  readonly digest: string;
}

/** Where the operator's policy is written down. */
export interface PolicySource {
  /** @throws DomainError invalid/CONFIG_INVALID with all problems. */
  read(): LoadedPolicy;
  /** Another text than before when it is worth reading again. Never throws. */
  stamp(): Promise<string>;
}

/** Names to addresses. Safe for concurrent use. */
export interface Resolver {
  /**
   * All addresses of both families that the name has now, canonical or not; never empty.
   * Bounded in time. @throws DomainError unavailable/EGRESS_NAME_UNRESOLVED.
   */
  resolve(host: string): Promise<readonly string[]>;
}

/** The proxy's own addresses, but for loopback; canonical. */
export interface OwnAddresses {
  /** As they are now. */
  current(): ReadonlySet<string>;
}

/** A door as it survives a restart. */
export interface DoorRecord {
  readonly executionId: string;
  readonly owner: string;
  /** 256 bits that only the task and its sandbox have. */
  readonly secret: string;
  readonly network: Network;
  readonly clusterUrls: readonly string[];
  readonly openedAtMs: number;
  readonly use: NetworkUse;
}

/** The open doors on disk. Everything survives kill -9 of the process once the call has returned. */
export interface DoorJournal {
  read(): readonly DoorRecord[];
  add(record: DoorRecord): void;
  /** Unknown executions are fine. */
  remove(executionId: string): void;
  /** Newer counts; executions that are unknown by now are left out. */
  saveUses(uses: ReadonlyMap<string, NetworkUse>): void;
}

export type EgressVerdict =
  | {
      readonly verdict: "allow";
      /** Canonical. */
      readonly host: string;
      readonly isAddress: boolean;
      readonly jobRule: string;
      readonly nodeRule: string;
      /** All of them checked, in the order in which they are tried. */
      readonly addresses: readonly string[];
      /** Of the first address. */
      readonly addressClass: string;
    }
  | Denial;

export type Allowance = Extract<EgressVerdict, { readonly verdict: "allow" }>;

/** What was asked for, for the log line. */
export interface AskedFor {
  readonly method: string;
  readonly target: EgressTarget;
}

/** One request or tunnel that was let through. */
export interface Passage {
  /** Before bytes go to the origin. The denial when they may not: the quota is reached, and nothing may go any more. */
  send(bytes: number): Denial | undefined;
  receive(bytes: number): void;
  /** It is cut, or could not be served: `isCounted` when by a rule. */
  fail(denial: Denial, options: { readonly isCounted: boolean }): void;
  /** Writes the one log line of this decision. May be repeated. */
  end(): void;
}

/** Limits of a door under the policy in force. */
export type DoorLimits = Pick<
  NetworkPolicy,
  "rateBitsPerSecond" | "connectionsMax" | "headerTimeoutMs" | "connectTimeoutMs" | "idleTimeoutMs" | "totalTimeoutMs"
>;

/** An open door as the side sees it that serves its socket. */
export interface ServedDoor {
  readonly executionId: string;
  readonly secret: string;
  /** Under the policy of this moment. */
  readonly limits: DoorLimits;
  /** What leaves, over all connections. */
  readonly up: RateBucket;
  /** What comes back, over all connections. */
  readonly down: RateBucket;
  /** May this target be asked for now? Includes the quota and resolving the name. Never throws. */
  decide(target: EgressTarget): Promise<EgressVerdict>;
  /** Counts what was let through. `onRevoked` is called once if a newer policy would refuse it while it lasts. */
  admit(allowance: Allowance, asked: AskedFor, onRevoked: (denial: Denial) => void): Passage;
  /** Counts and logs a refusal. */
  refuse(denial: Denial, asked: { readonly method: string; readonly port: number }): void;
}

/** The socket of one door. */
export interface DoorSocket {
  /** Absolute. */
  readonly path: string;
  /** Of the task, open now. */
  readonly connections: number;
  /** Ends connections to origins that are kept for later requests. */
  dropIdle(): void;
  /** Cuts everything and removes the socket. May be repeated. */
  close(): Promise<void>;
}

/** Serves doors on sockets of their own. */
export interface DoorServer {
  /** A stale socket at the path is replaced. @throws DomainError unavailable/DOOR_FAILED. */
  serve(door: ServedDoor): Promise<DoorSocket>;
}

/** What a door may reach, with the texts it was asked with. */
export interface DoorRequest {
  readonly executionId: string;
  readonly owner: string;
  readonly network: Network;
  readonly clusterUrls: readonly string[];
}

/** An open door as told to others. */
export interface DoorState {
  readonly executionId: string;
  readonly owner: string;
  readonly mode: NetworkMode;
  readonly network: Network;
  readonly use: NetworkUse;
  readonly connections: number;
  readonly openedAtMs: number;
}
