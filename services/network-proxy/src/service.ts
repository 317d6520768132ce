import type { ConnectRouter } from "@connectrpc/connect";
import type { Service } from "@skrei/platform/lifecycle.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { DoorService } from "@skrei/proto/skrei/network/v1/door_service_pb.ts";
import { doorHandlers } from "./api/door-routes.ts";
import type { NetworkProxyConfig } from "./config.ts";
import { DoorTable } from "./domain/door-table.ts";

export interface NetworkProxyService extends Service {
  readonly routes: (router: ConnectRouter) => void;
  readonly isReady: () => boolean;
}

/** Wires a network-proxy. */
export function createNetworkProxyService(config: NetworkProxyConfig, { logger }: { readonly logger: Logger }): NetworkProxyService {
  const doors = new DoorTable();
  let isRunning = false;
  return {
    start: async () => {
      isRunning = true;
      logger.info({ event: "policy.loaded", rule: config.modes.join(", ") }, "network modes offered");
    },
    stop: async () => {
      isRunning = false;
      doors.closeAll();
    },
    isReady: () => isRunning,
    routes: (router) => void router.service(DoorService, doorHandlers({ modes: config.modes }, doors)),
  };
}
