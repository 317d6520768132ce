import { join, resolve } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { createAgentService } from "@skrei/compute-agent/service";
import type { Bus } from "@skrei/platform/bus.ts";
import type { ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { NetworkProxyConfig } from "@skrei/network-proxy/config";
import { createNetworkProxyService } from "@skrei/network-proxy/service";
import { StorageFetcherConfig } from "@skrei/storage-fetcher/config";
import { createStorageFetcherService } from "@skrei/storage-fetcher/service";
import type { StandaloneConfig } from "./config.ts";
import { FetcherSettings } from "./data-settings.ts";
import { createMemoryTransport } from "./memory-transport.ts";
import type { NodeShare } from "./node-share.ts";
import { openProxyFolder } from "./proxy-folder.ts";

export interface EmbeddedNode {
  readonly name: string;
  readonly folder: string;
  /** All data of this process, the other services' among it. */
  readonly dataFolder: string;
  readonly share: NodeShare;
  /** Nothing of the node survives the process. */
  readonly isTemporary: boolean;
  readonly joinToken: string;
  readonly joinTransport: Transport;
  readonly publisher: Transport;
  readonly bus: Bus;
  readonly publishToken: string;
  readonly logger: Logger;
}

/** One node: its storage-fetcher, network-proxy and compute-agent. Resolves when the agent has joined. */
export async function startEmbeddedNode(config: StandaloneConfig, node: EmbeddedNode, started: ServiceStack): Promise<void> {
  const logger = node.logger.child({ instance: node.name });
  const fetcher = createStorageFetcherService(
    StorageFetcherConfig.parse({
      dataFolder: join(node.folder, "inputs"),
      ...FetcherSettings.parse(config),
      publishToken: node.publishToken,
    }),
    { logger, publisher: node.publisher, nodePublisher: node.publisher, closedFolders: [node.dataFolder] },
  );
  const proxy = createNetworkProxyService(await proxyConfig(config, node, started), { logger });
  const agent = createAgentService(agentConfig(config, node), {
    logger,
    joinTransport: node.joinTransport,
    bus: node.bus,
    endsRunsAtStop: node.isTemporary,
    publisher: node.publisher,
    fetcher: createMemoryTransport(fetcher.routes, logger),
    proxy: createMemoryTransport(proxy.routes, logger),
  });
  for (const service of [fetcher, proxy, agent]) {
    await service.start();
    started.defer(async () => await service.stop("the embedded cluster is stopping"));
  }
  await agent.joined();
}

async function proxyConfig(config: StandaloneConfig, { folder }: EmbeddedNode, started: ServiceStack): Promise<NetworkProxyConfig> {
  return NetworkProxyConfig.parse({
    dataFolder: await openProxyFolder(folder, started),
    ...(config.networkPolicyFile !== undefined && { policyFile: resolve(config.networkPolicyFile) }),
  });
}

function agentConfig(config: StandaloneConfig, { name, folder, share, joinToken }: EmbeddedNode): ComputeAgentConfig {
  return ComputeAgentConfig.parse({
    dataFolder: join(folder, "agent"),
    // Lets hosts for WASM modules be started ahead behind their wall.
    inputsFolder: join(folder, "inputs"),
    nodeName: name,
    joinToken,
    engines: config.engines,
    dockerHost: config.dockerHost,
    // Several nodes share one machine; one prepared holder each is enough to start the next container quickly.
    holdersIdleMax: 1,
    ...share,
  });
}
