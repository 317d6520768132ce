import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { getThrough } from "../kit/door-client.ts";
import { writePolicyFile } from "../kit/policy-file.ts";
import { startServiceProcess } from "../kit/service-process.ts";
import { describeDoors } from "./door-suite.ts";

describeDoors("the network-proxy in a process of its own", async (domains) => {
  const folder = await mkdtemp(join(tmpdir(), "doors-"));
  const policyFile = join(folder, "policy.yaml");
  const offer = (list: readonly string[]): Promise<void> => writePolicyFile(policyFile, { modes: ["none", "http"], domains: list });
  await offer(domains);
  const proxy = await startServiceProcess("network-proxy", { "data-folder": folder, "policy-file": policyFile });
  return {
    transport: createHttpTransport({ url: proxy.url }),
    offer,
    beRefused: async (_, door, host) => {
      const { status } = await getThrough(door, `http://${host}/`);
      if (status !== 403) throw new Error(`the request for ${host} was answered with ${status}`);
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
});
