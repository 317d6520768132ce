import type { IncomingMessage, ServerResponse } from "node:http";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { systemClock } from "@skrei/platform/clock.ts";
import { type Service, ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { warnMissingFolders } from "@skrei/platform/warn-missing-folders.ts";
import { BlockService, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { DomainError } from "@skrei/domain";
import { DeliveryTable } from "./adapters/delivery-table.ts";
import { FileContentStore } from "./adapters/file-content-store.ts";
import { openManifestKey } from "./adapters/manifest-key.ts";
import { createTargets } from "./adapters/targets/create-targets.ts";
import { createUpstreamStore } from "./adapters/upstream-blocks.ts";
import { blockHandlers } from "./api/block-routes.ts";
import { createGateway } from "./api/gateway.ts";
import { leaseHandlers } from "./api/lease-routes.ts";
import { publishHandlers } from "./api/publish-routes.ts";
import { storeHandlers } from "./api/store-routes.ts";
import type { PublisherConfig } from "./config.ts";
import { runGarbageCollection } from "./loops/garbage-collection.ts";
import type { Clock, ContentStore, DeliveryLog, ManifestSigner } from "./ports.ts";

export interface PublisherDependencies {
  readonly logger: Logger;
  /** The cluster's publisher; none when this is the cluster's own. */
  readonly upstream?: Transport;
  readonly clock?: Clock;
}

export interface PublisherService extends Service {
  readonly routes: (router: ConnectRouter) => void;
  /** The download gateway: everything that is no RPC. */
  readonly fallback: (request: IncomingMessage, response: ServerResponse) => void;
  readonly isReady: () => boolean;
  /** Ed25519 public key of the manifests, raw in base64. Only while the service runs. */
  readonly publicKey: () => string;
}

/** Wires a publisher. Routes may be mounted before `start`; calls then fail with unavailable/SHUTTING_DOWN. */
export function createPublisherService(
  config: PublisherConfig,
  { logger, upstream, clock = systemClock }: PublisherDependencies,
): PublisherService {
  const stack = new ServiceStack();
  let parts: RunningParts | undefined;
  const running = (): RunningParts => {
    if (parts !== undefined) return parts;
    throw new DomainError("unavailable", "SHUTTING_DOWN", "The publisher is not running.", { hint: "Try again in a moment." });
  };
  const ports = {
    get store() {
      return running().store;
    },
    get signer() {
      return running().signer;
    },
    get deliveries() {
      return running().deliveries;
    },
    targets: createTargets(config, { load: async (cid) => await running().store.get(cid.toString()), logger }),
    clock,
    upstream:
      upstream === undefined
        ? undefined
        : createUpstreamStore(upstream, { token: config.publishToken, timeoutMs: config.upstreamTimeoutMs }),
  };
  return {
    start: async () =>
      await stack.start(async (started) => {
        await warnMissingFolders(logger, "publishFolders", config.publishFolders);
        parts = await openParts(config, clock, started);
        const { store } = parts;
        started.defer(() => {
          parts = undefined;
        });
        const sweeping = runGarbageCollection(
          store,
          { intervalMs: config.sweepIntervalMs, unpinnedBlockTtlMs: config.unpinnedBlockTtlMs },
          { clock, logger, signal: started.signal },
        );
        started.defer(async () => await sweeping);
      }),
    stop: async (reason) => await stack.stop(reason),
    isReady: () => parts !== undefined,
    publicKey: () => running().signer.publicKey,
    routes: (router) => {
      router.service(PublishService, { ...publishHandlers(ports), ...leaseHandlers(ports, clock) });
      router.service(BlockService, blockHandlers(ports, config, clock));
      router.service(StoreService, storeHandlers(ports, config, clock));
    },
    fallback: createGateway(ports, { keys: config, clock, logger }),
  };
}

async function openParts(config: PublisherConfig, clock: Clock, started: ServiceStack): Promise<RunningParts> {
  await mkdir(config.dataFolder, { recursive: true });
  const signer = await openManifestKey(config.nodeKeyFile ?? join(config.dataFolder, "manifest-key.pem"), {
    mayCreate: config.nodeKeyFile === undefined,
  });
  const store = started.use(await FileContentStore.open({ ...config, folder: join(config.dataFolder, "store"), clock }));
  const deliveries = started.use(new DeliveryTable(join(config.dataFolder, "deliveries.sqlite"), clock));
  return { store, signer, deliveries };
}

interface RunningParts {
  readonly store: ContentStore;
  readonly signer: ManifestSigner;
  readonly deliveries: DeliveryLog;
}
