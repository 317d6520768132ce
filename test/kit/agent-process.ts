import { join } from "node:path";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { createAgentService } from "@skrei/compute-agent/service";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { createLogger } from "@skrei/platform/logger.ts";
import { startNodeServices } from "./node-services.ts";
import { ProcessExecutor } from "./process-executor.ts";

/** An agent in a process of its own, to be killed: joins over HTTP, then talks over NATS; its engine runs processes, its proxy outlives it. */
const [folder = "", schedulerUrl = "", proxyUrl = "", publisherUrl = ""] = process.argv.slice(2);
const node = await startNodeServices(join(folder, "node"));
const agent = createAgentService(
  ComputeAgentConfig.parse({
    dataFolder: join(folder, "agent"),
    schedulerUrls: ["http://127.0.0.1:1", schedulerUrl],
    stopGraceMs: 500,
    cpuMillis: 4_000,
  }),
  {
    logger: createLogger({ service: "compute-agent", level: "error", destination: "stderr" }),
    executors: () => [new ProcessExecutor(join(folder, "engine"))],
    ...node,
    proxy: createHttpTransport({ url: proxyUrl }),
    // One of its own outlives it as well.
    ...(publisherUrl !== "" && { publisher: createHttpTransport({ url: publisherUrl }) }),
  },
);
await agent.start();
await agent.joined();
process.send?.("joined");
