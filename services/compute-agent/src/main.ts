import { runMain } from "@skrei/platform/run-main.ts";
import { ComputeAgentConfig } from "./config.ts";
import { createAgentService } from "./service.ts";

await runMain({
  service: "compute-agent",
  schema: ComputeAgentConfig,
  create: (config, logger) => createAgentService(config, { logger }),
});
