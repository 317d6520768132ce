import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { ConnectRouter } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { healthRoutes } from "@skrei/platform/health.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import type { HttpServer } from "@skrei/platform/http-server.ts";
import { type Service, ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { reflectionRoutes } from "@skrei/platform/reflection.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { PublisherConfig } from "@skrei/publisher/config";
import { createPublisherService } from "@skrei/publisher/service";
import type { PublisherService } from "@skrei/publisher/service";
import { SchedulerConfig } from "@skrei/scheduler/config";
import { openStore } from "@skrei/scheduler/open-store";
import { createSchedulerService } from "@skrei/scheduler/service";
import type { SchedulerService } from "@skrei/scheduler/service";
import type { StandaloneConfig } from "./config.ts";
import { PublisherSettings } from "./data-settings.ts";
import { openDataFolder } from "./data-folder.ts";
import type { DataFolder } from "./data-folder.ts";
import { startEmbeddedNode } from "./embedded-node.ts";
import { createMemoryTransport } from "./memory-transport.ts";
import { shareOfMachine } from "./node-share.ts";
import { listenOnFreePort } from "./open-port.ts";
import { describeReady } from "./ready-record.ts";
import type { ReadyRecord } from "./ready-record.ts";

const HOST = "127.0.0.1";
const SERVICES = [JobService, NodeService, NetworkService, ResultService, DataService, BlockService];
const LEAD_LOOK_MS = 5;
const LEAD_TIMEOUT_MS = 10_000;

export interface StandaloneService extends Service {
  /** Only after `start`. */
  readonly ready: () => ReadyRecord;
}

/** The embedded cluster: the same services as elsewhere, in one process, over memory and SQLite, on loopback only. */
export function createStandalone(config: StandaloneConfig, { logger }: { readonly logger: Logger }): StandaloneService {
  const stack = new ServiceStack();
  let ready: ReadyRecord | undefined;
  return {
    start: async () =>
      await stack.start(async (started) => {
        ready = await startAll(config, logger, started);
      }),
    stop: async (reason) => await stack.stop(reason),
    ready: () => {
      if (ready === undefined) throw new DomainError("unavailable", "SHUTTING_DOWN", "the embedded cluster is not running");
      return ready;
    },
  };
}

async function startAll(config: StandaloneConfig, logger: Logger, started: ServiceStack): Promise<ReadyRecord> {
  const startedAtMs = performance.now();
  const folder = started.use(await openDataFolder(config.data));
  const bus = createMemoryBus({ logger });
  started.defer(async () => await bus.close());
  const secrets = { joinToken: secret(), linkSecret: secret(), publishToken: secret() };
  const { server, scheduler, publisher } = await listenOnFreePort(config.port, async (port) => {
    const parts = createParts(config, { folder, bus, logger, secrets, url: `http://${HOST}:${port}` });
    return { ...parts, server: await listen(port, { ...parts, logger }) };
  });
  started.defer(async () => await server.close());
  for (const service of [publisher, scheduler]) {
    await service.start();
    started.defer(async () => await service.stop("the embedded cluster is stopping"));
  }
  await untilLeading(scheduler, started.signal);
  const share = await shareOfMachine(config.nodes, folder.path);
  const transports = {
    joinTransport: createMemoryTransport(scheduler.routes, logger),
    publisher: createMemoryTransport(publisher.routes, logger),
  };
  const names = Array.from({ length: config.nodes }, (_, index) => `dev-${index + 1}`);
  const nodes = names.map((name) => ({
    name,
    folder: join(folder.path, "nodes", name),
    dataFolder: folder.path,
    isTemporary: !folder.isKept,
    share,
    bus,
    logger,
    ...secrets,
    ...transports,
  }));
  await Promise.all(nodes.map(async (node) => await startEmbeddedNode(config, node, started)));
  return describeReady({ url: server.url, nodes: scheduler.commands.nodes(), folder, config, readyMs: performance.now() - startedAtMs });
}

interface Parts {
  readonly scheduler: SchedulerService;
  readonly publisher: PublisherService;
}

interface PartsBase {
  readonly folder: DataFolder;
  readonly bus: ReturnType<typeof createMemoryBus>;
  readonly logger: Logger;
  readonly secrets: { readonly joinToken: string; readonly linkSecret: string; readonly publishToken: string };
  readonly url: string;
}

function createParts(config: StandaloneConfig, { folder, bus, logger, url, secrets }: PartsBase): Parts {
  const { linkSecret, publishToken, joinToken } = secrets;
  const publisher = createPublisherService(
    PublisherConfig.parse({ ...PublisherSettings.parse(config), dataFolder: join(folder.path, "publisher"), linkSecret, publishToken }),
    { logger },
  );
  const storeUrl = folder.isKept ? `sqlite:${join(folder.path, "scheduler.db")}` : "sqlite::memory:";
  const schedulerConfig = SchedulerConfig.parse({ storeUrl, joinToken, linkSecret, publishToken, publisherUrl: url });
  const publisherTransport = createMemoryTransport(publisher.routes, logger);
  const scheduler = createSchedulerService(schedulerConfig, {
    logger,
    bus,
    store: openStore(schedulerConfig, systemClock),
    publisherTransport: () => publisherTransport,
  });
  return { scheduler, publisher };
}

async function listen(port: number, { scheduler, publisher, logger }: Parts & { readonly logger: Logger }): Promise<HttpServer> {
  return await startHttpServer({
    host: HOST,
    port,
    logger,
    fallback: publisher.fallback,
    routes: (router) => {
      scheduler.routes(router);
      publisher.routes(onlyBlocks(router));
      healthRoutes(
        router,
        scheduler.isReady,
        SERVICES.map(({ typeName }) => typeName),
      );
      reflectionRoutes(router, SERVICES);
    },
  });
}

/** PublishService takes over folders of this machine by their path; that is for the agents of this process alone. */
function onlyBlocks(router: ConnectRouter): ConnectRouter {
  const blocks: ConnectRouter = {
    ...router,
    service: (service, implementation, options) => {
      if (service.typeName === BlockService.typeName) router.service(service, implementation, options);
      return blocks;
    },
  };
  return blocks;
}

/** Nobody else competes for the lease of a new store; one that was killed may hold that of a kept one for a few seconds. */
async function untilLeading(scheduler: SchedulerService, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LEAD_TIMEOUT_MS)]);
  while (!scheduler.isReady()) await systemClock.sleep(LEAD_LOOK_MS, limit);
}

function secret(): string {
  return randomBytes(24).toString("base64url");
}
