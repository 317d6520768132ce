import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { type HttpServer, startHttpServer } from "@skrei/platform/http-server.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { freePort } from "../kit/free-port.ts";
import { type TransportSubject, transportSuite } from "./transport-suite.ts";

for (const httpVersion of ["1.1", "2"] as const) {
  transportSuite(`HTTP/${httpVersion}`, () => start(httpVersion), { bufferedBytesMax: 16 * 1024 * 1024 });
}

async function start(httpVersion: "1.1" | "2"): Promise<TransportSubject> {
  const port = await freePort();
  const servers: HttpServer[] = [];
  return {
    transport: () => createHttpTransport({ url: `http://127.0.0.1:${port}`, httpVersion }),
    serve: async (routes, interceptors = []) => {
      const server = await startHttpServer({ host: "127.0.0.1", port, routes, interceptors, logger: silentLogger });
      servers.push(server);
      return { [Symbol.asyncDispose]: () => server.close() };
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
