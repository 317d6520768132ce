import { randomBytes } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ConnectRouter } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { type Service, ServiceStack } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { createDnsResolver } from "./adapters/dns-resolver.ts";
import { SqliteDoorJournal } from "./adapters/door-journal.ts";
import { DoorListener } from "./adapters/http/door-listener.ts";
import { interfaceAddresses } from "./adapters/own-addresses.ts";
import { fixedPolicy, policyFile } from "./adapters/policy-source.ts";
import { doorHandlers, type DoorParts } from "./api/door-routes.ts";
import type { NetworkProxyConfig } from "./config.ts";
import { Doors } from "./loops/doors.ts";
import { EgressGate } from "./loops/egress-gate.ts";
import { PolicyWatch } from "./loops/policy-watch.ts";
import type { Clock, Resolver } from "./ports.ts";

export interface NetworkProxyDependencies {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Default: the hosts file and DNS. */
  readonly resolver?: Resolver;
}

export interface NetworkProxyService extends Service {
  readonly routes: (router: ConnectRouter) => void;
  readonly isReady: () => boolean;
  /** Reads the policy file again now. */
  readonly reloadPolicy: () => void;
}

/** Wires a network-proxy. Routes may be mounted before `start`; calls then fail with unavailable/SHUTTING_DOWN. */
export function createNetworkProxyService(config: NetworkProxyConfig, dependencies: NetworkProxyDependencies): NetworkProxyService {
  const stack = new ServiceStack();
  let parts: DoorParts | undefined;
  const running = (): DoorParts => {
    if (parts !== undefined) return parts;
    throw new DomainError("unavailable", "SHUTTING_DOWN", "The network-proxy is not running.", { hint: "Try again in a moment." });
  };
  const mounted: DoorParts = {
    get doors() {
      return running().doors;
    },
    get policy() {
      return running().policy;
    },
    get gate() {
      return running().gate;
    },
    get resolver() {
      return running().resolver;
    },
    get ownAddresses() {
      return running().ownAddresses;
    },
    get signal() {
      return running().signal;
    },
  };
  return {
    start: async () =>
      await stack.start(async (started) => {
        const made = await startParts(config, dependencies, started);
        parts = made;
        started.defer(() => {
          parts = undefined;
        });
      }),
    stop: async (reason) => await stack.stop(reason),
    isReady: () => parts !== undefined,
    reloadPolicy: () => parts?.policy.reload({ isAsked: true }),
    routes: (router) => void router.service(DoorService, doorHandlers(mounted)),
  };
}

async function startParts(config: NetworkProxyConfig, dependencies: NetworkProxyDependencies, started: ServiceStack): Promise<DoorParts> {
  const { logger, clock = systemClock } = dependencies;
  const { signal } = started;
  const folder = resolve(config.dataFolder);
  const server = new DoorListener(join(folder, "doors"));
  const source = config.policyFile === undefined ? fixedPolicy(config) : policyFile(config.policyFile);
  const policy = new PolicyWatch(source, { logger, onChanged: () => doors.review() });
  await makeFolders(folder);
  const journal = started.use(new SqliteDoorJournal(join(folder, "doors.db")));
  const resolver = dependencies.resolver ?? createDnsResolver({ servers: () => policy.loaded.dnsServers });
  const ownAddresses = interfaceAddresses();
  const gate = new EgressGate({ resolver, policy: () => policy.policy });
  const newSecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");
  const doors = new Doors({ journal, server, policy, gate, resolver, ownAddresses, newSecret, clock, logger });
  started.defer(async () => await doors.stop());
  await doors.restore();
  const loops = [policy.run({ clock, signal }), doors.run(signal)];
  started.defer(async () => void (await Promise.all(loops)));
  return { doors, policy, gate, resolver, ownAddresses, signal };
}

const SECRET_BYTES = 32;

/** Sandboxes are given the doors and nothing else of the folder. */
async function makeFolders(folder: string): Promise<void> {
  const doors = join(folder, "doors");
  await mkdir(doors, { recursive: true });
  await chmod(doors, 0o755);
}
