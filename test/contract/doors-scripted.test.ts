import { createRouterTransport } from "@connectrpc/connect";
import { NO_NODE_NETWORK, type NodeNetwork } from "@skrei/domain";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { aUse, ScriptedProxy } from "../kit/scripted-proxy.ts";
import { describeDoors } from "./door-suite.ts";

describeDoors("the proxy that tests of agents play", async (domains) => {
  const proxy = new ScriptedProxy();
  const offeredWith = (list: readonly string[]): NodeNetwork => {
    const domainCount = list.length;
    return { ...NO_NODE_NETWORK, modes: ["none", "http"], domains: list, domainCount, policyDigest: list.join() };
  };
  proxy.offered = offeredWith(domains);
  return {
    transport: clientErrors(createRouterTransport(proxy.routes, { router: { interceptors: [serverErrors(silentLogger)] } })),
    offer: async (list) => {
      proxy.offered = offeredWith(list);
    },
    beRefused: async (executionId, _, host) => {
      const refusal = { denied: 1, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message: `${host} is not on the job's list` };
      proxy.count(executionId, aUse({ [host]: refusal }));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
});
