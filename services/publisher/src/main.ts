import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { healthRoutes } from "@skrei/platform/health.ts";
import { startHttpServer } from "@skrei/platform/http-server.ts";
import { ServiceStack } from "@skrei/platform/lifecycle.ts";
import { runMain } from "@skrei/platform/run-main.ts";
import { PublisherConfig } from "./config.ts";
import { createPublisherService } from "./service.ts";

/** Four MiB of blocks and what surrounds them. */
const MESSAGE_BYTES_MAX = 5 * 1024 * 1024;

await runMain({
  service: "publisher",
  schema: PublisherConfig,
  create: (config, logger) => {
    const upstream = config.upstreamUrl === undefined ? {} : { upstream: createHttpTransport({ url: config.upstreamUrl }) };
    const publisher = createPublisherService(config, { logger, ...upstream });
    const stack = new ServiceStack();
    return {
      start: async () =>
        await stack.start(async (started) => {
          await publisher.start();
          started.defer(async () => await publisher.stop("stopping"));
          const server = await startHttpServer({
            host: config.listenHost,
            port: config.listenPort,
            routes: (router) => {
              publisher.routes(router);
              healthRoutes(router, publisher.isReady);
            },
            fallback: publisher.fallback,
            logger,
            readBytesMax: MESSAGE_BYTES_MAX,
            ...(config.allowedHosts.length > 0 && { allowedHosts: config.allowedHosts }),
          });
          started.defer(async () => await server.close());
          logger.info({ event: "publisher.listening", url: server.url }, "listening");
        }),
      stop: async (reason) => await stack.stop(reason),
    };
  },
});
