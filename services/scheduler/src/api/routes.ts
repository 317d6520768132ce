import type { ConnectRouter } from "@connectrpc/connect";
import { AgentService } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { createAgentService } from "./agent-service.ts";
import { createDataService } from "./data-service.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { createJobService } from "./job-service.ts";
import { createNetworkService } from "./network-service.ts";
import { createNodeService } from "./node-service.ts";
import { requireAccess } from "./require-access.ts";
import { createResultService } from "./result-service.ts";

/** Everything that the scheduler serves to users and nodes. The server adds `serverErrors`, health and reflection. */
export function createSchedulerRoutes(deps: SchedulerApiDeps): (router: ConnectRouter) => void {
  const { accessToken } = deps.config;
  return (router) => {
    router.service(JobService, requireAccess<typeof JobService>(createJobService(deps), accessToken));
    router.service(NodeService, requireAccess<typeof NodeService>(createNodeService(deps), accessToken));
    router.service(NetworkService, requireAccess<typeof NetworkService>(createNetworkService(deps), accessToken));
    router.service(ResultService, requireAccess<typeof ResultService>(createResultService(deps), accessToken));
    router.service(DataService, requireAccess<typeof DataService>(createDataService(deps), accessToken));
    createAgentRoutes(deps)(router);
  };
}

/** Only what agents call, for the bus. */
export function createAgentRoutes(deps: SchedulerApiDeps): (router: ConnectRouter) => void {
  return (router) => {
    router.service(AgentService, createAgentService(deps));
  };
}
