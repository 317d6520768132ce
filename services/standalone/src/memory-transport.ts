import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { createRouterTransport } from "@connectrpc/connect";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import type { Logger } from "@skrei/platform/logger.ts";

/** Calls to a service of this process, with the same errors as over a wire. */
export function createMemoryTransport(routes: (router: ConnectRouter) => void, logger: Logger): Transport {
  return clientErrors(createRouterTransport(routes, { router: { interceptors: [serverErrors(logger)] } }));
}
