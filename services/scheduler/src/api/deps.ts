import type { Transport } from "@connectrpc/connect";
import type { Logger } from "@skrei/platform/logger.ts";
import type { AgentPort, Clock, ContentStorePort, LeaderCommands, Randomness, StateStore } from "../ports.ts";

/** What the API needs to know of this cluster. */
export interface SchedulerApiConfig {
  /** Secret that lets a node join. */
  readonly joinToken: string;
  /** Secret that signs links to the content store; the publisher has the same. Empty: no links are made. */
  readonly linkSecret: string;
  /** Base URL of the cluster's publisher as this process reaches it; empty when it cannot. */
  readonly publisherUrl: string;
  /** The same as clients and nodes reach it; empty: no links are made. */
  readonly publicPublisherUrl: string;
  /** Name of the cluster. */
  readonly cluster: string;
  /** Where nodes find the bus; empty in the embedded cluster. */
  readonly busUrls: readonly string[];
  /** Services that nodes keep tasks away from, beside those that they are told to use. */
  readonly reservedUrls: readonly string[];
  /** Credential of nodes for the bus; empty when it needs none. */
  readonly busToken: string;
  readonly heartbeatIntervalMs: number;
  /** How long an ended job is kept, and with it its results at most. */
  readonly jobRetentionMs: number;
  readonly uploadRetentionMs: number;
  /** New nodes are approved at once. */
  readonly approvesNodes: boolean;
  /** When set, users send it as `authorization: Bearer`. */
  readonly accessToken?: string;
}

export interface SchedulerApiDeps {
  readonly commands: LeaderCommands;
  readonly store: StateStore;
  readonly agents: AgentPort;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly config: SchedulerApiConfig;
  /** The cluster's publisher with the cluster's token; none: DataService is not available. */
  readonly contentStore?: ContentStorePort;
  /** The cluster's publisher, for output of nodes that are gone; used when `publisherUrl` or `linkSecret` is empty. Authenticates itself. */
  readonly publisherTransport?: () => Transport;
}
