import type { ConnectRouter, Transport } from "@connectrpc/connect";
import type { Bus } from "@skrei/platform/bus.ts";
import { systemClock, systemRandomness } from "@skrei/platform/clock.ts";
import { type Service, ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { createBusAgents } from "./adapters/bus-agents.ts";
import { createContentStoreClient } from "./adapters/content-store-client.ts";
import type { SchedulerApiDeps } from "./api/deps.ts";
import { createAgentRoutes, createSchedulerRoutes } from "./api/routes.ts";
import type { SchedulerConfig } from "./config.ts";
import { reservedUrls } from "./domain/reserved-urls.ts";
import { createLeader } from "./loops/leader.ts";
import type { LeaderParts } from "./loops/term-context.ts";
import type { Clock, ContentStorePort, LeaderCommands, Randomness, StateStore } from "./ports.ts";

export interface SchedulerDependencies {
  readonly logger: Logger;
  /** Started and stopped by the service. */
  readonly store: StateStore;
  /** Connected already; closed by whoever made it. */
  readonly bus: Bus;
  /** Where nodes are told to find the bus; none in the embedded cluster. */
  readonly advertisedBusUrls?: readonly string[];
  /** The cluster's publisher, for output of nodes that are gone. */
  readonly publisherTransport?: () => Transport;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
}

export interface SchedulerService extends Service {
  readonly commands: LeaderCommands;
  /** The public API; may be mounted before `start`. Writes fail with unavailable/NOT_LEADER until this process leads. */
  readonly routes: (router: ConnectRouter) => void;
  /** This process leads. */
  readonly isReady: () => boolean;
}

/** Wires a scheduler: it competes for the lease of the store, and serves agents on the bus while it leads. */
export function createSchedulerService(config: SchedulerConfig, dependencies: SchedulerDependencies): SchedulerService {
  const { logger, store, bus, clock = systemClock, randomness = systemRandomness } = dependencies;
  const stack = new ServiceStack();
  const agents = createBusAgents(bus);
  let agentServer: AsyncDisposable | undefined;
  const holder = config.instance ?? `scheduler-${Buffer.from(randomness.randomBytes()).toString("hex")}`;
  const contentStore = contentStoreOf(config, dependencies);
  const leader = createLeader(
    { options: config, store, agents, clock, randomness, logger, holder, ...retentionOf(config, contentStore) },
    {
      onLead: async () => {
        agentServer = await bus.serve({ kind: "scheduler" }, agentRoutes);
      },
      onStepDown: async () => {
        await agentServer?.[Symbol.asyncDispose]();
        agentServer = undefined;
      },
    },
  );
  const api = apiDeps(config, dependencies, { commands: leader.commands, agents, clock, randomness, ...contentStore });
  const agentRoutes = createAgentRoutes(api);
  return {
    start: async () =>
      await stack.start(async (started) => {
        await store.start();
        started.defer(async () => await store.stop());
        const leading = leader.run(started.signal);
        started.defer(async () => await leading);
      }),
    stop: async (reason) => await stack.stop(reason),
    commands: leader.commands,
    routes: createSchedulerRoutes(api),
    isReady: () => leader.isLeading(),
  };
}

type ContentStorePart = { readonly contentStore: ContentStorePort } | undefined;

function contentStoreOf({ publishToken }: SchedulerConfig, { publisherTransport }: SchedulerDependencies): ContentStorePart {
  if (publisherTransport === undefined || publishToken === "") return undefined;
  return { contentStore: createContentStoreClient(publisherTransport(), publishToken) };
}

function retentionOf(
  { resultReconcileIntervalMs: intervalMs, uploadRetentionMs }: SchedulerConfig,
  part: ContentStorePart,
): Pick<LeaderParts, "resultRetention"> {
  return part === undefined ? {} : { resultRetention: { ...part, intervalMs, uploadRetentionMs } };
}

type ApiParts = Pick<SchedulerApiDeps, "commands" | "agents" | "clock" | "randomness" | "contentStore">;

function apiDeps(
  config: SchedulerConfig,
  { logger, store, advertisedBusUrls = [], publisherTransport }: SchedulerDependencies,
  parts: ApiParts,
): SchedulerApiDeps {
  const { cluster, joinToken, linkSecret, heartbeatIntervalMs, approvesNodes, accessToken, jobRetentionMs, uploadRetentionMs } = config;
  return {
    ...parts,
    logger,
    store,
    ...(publisherTransport && { publisherTransport }),
    config: {
      cluster,
      joinToken,
      linkSecret,
      heartbeatIntervalMs,
      approvesNodes,
      jobRetentionMs,
      uploadRetentionMs,
      publisherUrl: config.publisherUrl ?? "",
      publicPublisherUrl: config.publicPublisherUrl ?? config.publisherUrl ?? "",
      busUrls: advertisedBusUrls,
      // Without a bus this is the embedded cluster, which has but one process.
      reservedUrls: advertisedBusUrls.length === 0 ? [] : reservedUrls([config.storeUrl, ...config.natsUrl, config.publisherUrl ?? ""]),
      busToken: config.natsToken,
      ...(accessToken !== undefined && { accessToken }),
    },
  };
}
