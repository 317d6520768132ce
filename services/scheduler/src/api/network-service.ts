import type { ServiceImpl } from "@connectrpc/connect";
import type { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { explainEgress } from "./explain-egress.ts";
import { listNetworkUse } from "./list-network-use.ts";
import { SharedNetworkUse } from "./shared-network-use.ts";
import { watchNetworkUse } from "./watch-network-use.ts";
import { WatchPlaces } from "./watch-places.ts";

export function createNetworkService(deps: SchedulerApiDeps): ServiceImpl<typeof NetworkService> {
  const watched = { ...deps, places: new WatchPlaces("WatchNetworkUse"), shared: new SharedNetworkUse(deps.commands) };
  return {
    listNetworkUse: (request) => listNetworkUse(deps, request),
    watchNetworkUse: (request, context) => watchNetworkUse(watched, request, context.signal),
    explainEgress: (request, context) => explainEgress(deps, request, context.signal),
  };
}
