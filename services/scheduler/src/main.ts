import { systemClock } from "@skrei/platform/clock.ts";
import { healthRoutes } from "@skrei/platform/health.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { ServiceStack } from "@skrei/platform/lifecycle.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { reflectionRoutes } from "@skrei/platform/reflection.ts";
import { runMain } from "@skrei/platform/run-main.ts";
import { Health } from "@skrei/proto/grpc/health/v1/health_pb.ts";
import { AgentService } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { ResultService } from "@skrei/proto/skrei/data/v1/result_service_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { SchedulerConfig } from "./config.ts";
import { openStore } from "./open-store.ts";
import { createSchedulerService } from "./service.ts";

const SERVICES = [JobService, NodeService, NetworkService, ResultService, DataService, AgentService];

await runMain({
  service: "scheduler",
  schema: SchedulerConfig,
  create: (config, logger) => {
    const stack = new ServiceStack();
    return {
      start: async () =>
        await stack.start(async (started) => {
          const { natsUrl, natsToken, cluster, publisherUrl } = config;
          const token = natsToken === "" ? {} : { token: natsToken };
          const bus = await connectNatsBus({ urls: natsUrl, cluster, name: "scheduler", logger, signal: started.signal, ...token });
          started.defer(async () => await bus.close());
          const advertisedBusUrls = config.advertisedNatsUrls.length > 0 ? config.advertisedNatsUrls : natsUrl;
          const publisher = publisherUrl === undefined ? {} : { publisherTransport: () => createHttpTransport({ url: publisherUrl }) };
          const scheduler = createSchedulerService(config, {
            logger,
            store: openStore(config, systemClock),
            bus,
            advertisedBusUrls,
            ...publisher,
          });
          await scheduler.start();
          started.defer(async () => await scheduler.stop("stopping"));
          const server = await startHttpServer({
            host: config.listenHost,
            port: config.listenPort,
            routes: (router) => {
              scheduler.routes(router);
              healthRoutes(
                router,
                scheduler.isReady,
                SERVICES.map(({ typeName }) => typeName),
              );
              reflectionRoutes(router, [...SERVICES, Health]);
            },
            logger,
            ...(config.allowedHosts.length > 0 && { allowedHosts: config.allowedHosts }),
          });
          started.defer(async () => await server.close());
          logger.info({ event: "scheduler.listening", url: server.url }, "listening");
          logger.info(
            { hint: `node services/compute-agent/src/main.ts --scheduler-urls ${server.url} --join-token-file FILE --data-folder FOLDER` },
            "to add a node",
          );
          logger.info({ hint: `export SKREI_SERVER=${server.url}` }, "to use this cluster as a client");
        }),
      stop: async (reason) => await stack.stop(reason),
    };
  },
});
