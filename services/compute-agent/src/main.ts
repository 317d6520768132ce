import { healthRoutes } from "@skrei/platform/health.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { ServiceStack } from "@skrei/platform/lifecycle.ts";
import { runMain } from "@skrei/platform/run-main.ts";
import { ComputeAgentConfig } from "./config.ts";
import { createAgentService } from "./service.ts";

await runMain({
  service: "compute-agent",
  schema: ComputeAgentConfig,
  create: (config, logger) => {
    const stack = new ServiceStack();
    const agent = createAgentService(config, { logger });
    return {
      start: async () =>
        await stack.start(async (started) => {
          await agent.start();
          started.defer(async () => await agent.stop("stopping"));
          if (config.healthPort === undefined) return;
          const server = await startHttpServer({
            host: "0.0.0.0",
            port: config.healthPort,
            routes: (router) => healthRoutes(router, agent.isReady),
            logger,
          });
          started.defer(async () => await server.close());
        }),
      stop: async (reason) => await stack.stop(reason),
    };
  },
});
