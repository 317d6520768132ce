import { healthRoutes } from "@skrei/platform/health.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { ServiceStack } from "@skrei/platform/lifecycle.ts";
import { runMain } from "@skrei/platform/run-main.ts";
import { StorageFetcherConfig } from "./config.ts";
import { createStorageFetcherService } from "./service.ts";

await runMain({
  service: "storage-fetcher",
  schema: StorageFetcherConfig,
  create: (config, logger) => {
    const { publisherUrl, nodePublisherUrl } = config;
    const fetcher = createStorageFetcherService(config, {
      logger,
      ...(publisherUrl !== undefined && { publisher: createHttpTransport({ url: publisherUrl }) }),
      ...(nodePublisherUrl !== undefined && { nodePublisher: createHttpTransport({ url: nodePublisherUrl }) }),
    });
    const stack = new ServiceStack();
    return {
      start: async () =>
        await stack.start(async (started) => {
          await fetcher.start();
          started.defer(async () => await fetcher.stop("stopping"));
          const routes = (router: Parameters<typeof fetcher.routes>[0]): void => {
            fetcher.routes(router);
            healthRoutes(router, fetcher.isReady);
          };
          const { listenHost: host, listenPort: port, allowedHosts } = config;
          const server = await startHttpServer({ host, port, routes, logger, ...(allowedHosts.length > 0 && { allowedHosts }) });
          started.defer(async () => await server.close());
          logger.info({ event: "fetcher.listening", url: server.url }, "listening");
        }),
      stop: async (reason) => await stack.stop(reason),
    };
  },
});
