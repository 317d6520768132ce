import { healthRoutes } from "@skrei/platform/health.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { ServiceStack } from "@skrei/platform/lifecycle.ts";
import { runMain } from "@skrei/platform/run-main.ts";
import { NetworkProxyConfig } from "./config.ts";
import { createNetworkProxyService } from "./service.ts";

await runMain({
  service: "network-proxy",
  schema: NetworkProxyConfig,
  create: (config, logger) => {
    const proxy = createNetworkProxyService(config, { logger });
    const stack = new ServiceStack();
    return {
      start: async () =>
        await stack.start(async (started) => {
          await proxy.start();
          started.defer(async () => await proxy.stop("stopping"));
          process.on("SIGHUP", proxy.reloadPolicy);
          started.defer(() => void process.off("SIGHUP", proxy.reloadPolicy));
          const routes = (router: Parameters<typeof proxy.routes>[0]): void => {
            proxy.routes(router);
            healthRoutes(router, proxy.isReady);
          };
          const { listenHost: host, listenPort: port, allowedHosts } = config;
          const server = await startHttpServer({ host, port, routes, logger, ...(allowedHosts.length > 0 && { allowedHosts }) });
          started.defer(async () => await server.close());
          logger.info({ event: "proxy.listening", url: server.url }, "listening");
        }),
      stop: async (reason) => await stack.stop(reason),
    };
  },
});
