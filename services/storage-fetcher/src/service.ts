import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { type Service, ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { warnMissingFolders } from "@skrei/platform/warn-missing-folders.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { createAddressPolicy, createOperatorPolicy } from "./adapters/address-policy.ts";
import type { BlockPlaces } from "./adapters/block-reader.ts";
import { createClusterBlocks } from "./adapters/cluster-blocks.ts";
import { createContentSource } from "./adapters/content-source.ts";
import { DirectoryCache } from "./adapters/directory-cache.ts";
import type { Gateway } from "./adapters/gateway-block.ts";
import { GatewayBlocks } from "./adapters/gateway-blocks.ts";
import { createHttpSource } from "./adapters/http-source.ts";
import { inlineSource } from "./adapters/inline-source.ts";
import { createInputSlicer } from "./adapters/input-slicer.ts";
import { createLocalPaths } from "./adapters/local-paths.ts";
import { S3Places } from "./adapters/s3-places.ts";
import { createS3Source } from "./adapters/s3-source.ts";
import { createTreeClient } from "./adapters/tree-client.ts";
import { fetchHandlers, type FetchPorts } from "./api/fetch-routes.ts";
import type { StorageFetcherConfig } from "./config.ts";
import { InputFetcher } from "./loops/fetch-input.ts";
import type { Clock } from "./ports.ts";

export interface StorageFetcherDependencies {
  readonly logger: Logger;
  /** The cluster's publisher (BlockService); without it inputs by content id are refused. */
  readonly publisher?: Transport;
  /** The publisher of this node (PublishService); without it nothing is read in place. */
  readonly nodePublisher?: Transport;
  /** Beside the cache: folders that no job may name. */
  readonly closedFolders?: readonly string[];
  readonly clock?: Clock;
}

export interface StorageFetcherService extends Service {
  readonly routes: (router: ConnectRouter) => void;
  readonly isReady: () => boolean;
}

/** Wires a storage-fetcher. Routes may be mounted before `start`; calls then fail with unavailable/SHUTTING_DOWN. */
export function createStorageFetcherService(
  config: StorageFetcherConfig,
  { logger, publisher, nodePublisher, closedFolders = [], clock = systemClock }: StorageFetcherDependencies,
): StorageFetcherService {
  const stack = new ServiceStack();
  let parts: FetchPorts | undefined;
  const running = (): FetchPorts => {
    if (parts !== undefined) return parts;
    throw new DomainError("unavailable", "SHUTTING_DOWN", "The storage-fetcher is not running.", { hint: "Try again in a moment." });
  };
  const ports: FetchPorts = {
    get fetcher() {
      return running().fetcher;
    },
    get cache() {
      return running().cache;
    },
    get trees() {
      return running().trees;
    },
  };
  return {
    start: async () =>
      await stack.start(async (started) => {
        const { lowSpeedBytes, lowSpeedWindowMs, triesMax, answerTimeoutMs } = config;
        const policy = createAddressPolicy(config.allowedPrivateCidrs);
        const folder = join(config.dataFolder, "cache");
        await mkdir(folder, { recursive: true });
        const onChanged = (digest: string): void =>
          logger.warn({ event: "cache.entryChanged", digest }, "cached input was changed on the disk");
        const { cacheBytesMax: bytesMax, freeBytesMin } = config;
        const cache = started.use(await DirectoryCache.open({ folder, bytesMax, freeBytesMin, clock, onChanged }));
        const adapters = {
          inline: inlineSource,
          content: createContentSource(blockPlaces(config, { publisher, clock, logger, started }), clock),
          http: createHttpSource({ policy, clock, triesMax, answerTimeoutMs, lowSpeedBytes, lowSpeedWindowMs }),
          s3: createS3Source(started.use(s3Places(config)), {
            clock,
            triesMax,
            lowSpeedBytes,
            lowSpeedWindowMs,
            parallelMax: config.s3ParallelMax,
          }),
        };
        const trees = nodePublisher === undefined ? undefined : createTreeClient({ transport: nodePublisher, logger });
        const folders = config.allowedLocalPaths.map((entry) => entry.replace(/:r[ow]$/u, ""));
        await warnMissingFolders(logger, "allowedLocalPaths", folders);
        const local = createLocalPaths(config.allowedLocalPaths, [folder, ...closedFolders]);
        parts = { cache, trees, fetcher: new InputFetcher({ adapters, local, cache, slicer: createInputSlicer(cache), trees }) };
        started.defer(() => {
          parts = undefined;
        });
      }),
    stop: async (reason) => await stack.stop(reason),
    isReady: () => parts !== undefined,
    routes: (router) => {
      router.service(FetchService, fetchHandlers(ports, { clock, estimateTimeoutMs: config.estimateTimeoutMs }));
    },
  };
}

function s3Places(config: StorageFetcherConfig): S3Places {
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey, s3SessionToken: sessionToken } = config;
  return new S3Places({
    endpoint: config.s3Endpoint ?? "",
    region: config.s3Region,
    credentials: accessKeyId === "" ? undefined : { accessKeyId, secretAccessKey, ...(sessionToken !== "" && { sessionToken }) },
    buckets: config.s3Buckets,
    operatorPolicy: createOperatorPolicy(config.allowedPrivateCidrs),
    policy: createAddressPolicy(config.allowedPrivateCidrs),
    triesMax: config.triesMax,
    answerTimeoutMs: config.answerTimeoutMs,
    idleTimeoutMs: config.lowSpeedWindowMs,
  });
}

interface BlockParts extends Pick<StorageFetcherDependencies, "logger"> {
  readonly publisher: Transport | undefined;
  readonly clock: Clock;
  readonly started: ServiceStack;
}

function blockPlaces(config: StorageFetcherConfig, { publisher, clock, logger, started }: BlockParts): BlockPlaces {
  const gateways: readonly Gateway[] = [
    ...config.ipfsGateways.map((url) => ({ kind: "trustless" as const, url })),
    ...(config.ipfsRpcUrl === undefined ? [] : [{ kind: "kubo" as const, url: config.ipfsRpcUrl }]),
  ];
  const options = {
    gateways,
    policy: createOperatorPolicy(config.allowedPrivateCidrs),
    redirectPolicy: createAddressPolicy(config.allowedPrivateCidrs),
    timeoutMs: config.ipfsTimeoutMs,
    roundsMax: config.triesMax,
    parallelMax: config.ipfsParallelMax,
    clock,
    onMisled: (url: string, words: string): void =>
      logger.warn(
        { event: "gateway.misled", url, hint: words },
        "a gateway sent something else than was asked for; it is left alone for a while",
      ),
  };
  return {
    cluster: publisher === undefined ? undefined : createClusterBlocks(publisher, config.publishToken),
    gateways: gateways.length === 0 ? undefined : started.use(new GatewayBlocks(options)),
  };
}
