import { flagField, listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { z } from "zod";
import { dataSettings } from "./data-settings.ts";

/** Settings of the embedded cluster. */
export const StandaloneConfig = z.strictObject({
  nodes: z.coerce.number().int().min(1).max(50).default(3).describe("number of nodes"),
  port: portField()
    .optional()
    .describe("port of the API and the download gateway on 127.0.0.1; default: 1234, or the first free one from 1240 on"),
  data: z
    .string()
    .min(1)
    .optional()
    .describe("folder that keeps jobs and results; default: memory and a temporary folder that is removed at the end"),
  engines: listField(z.enum(["docker", "wasm"]))
    .default(["docker", "wasm"])
    .describe("engines that the nodes offer when they answer"),
  dockerHost: z.string().default("unix:///var/run/docker.sock").describe("where the Docker engine listens"),
  ...dataSettings,
  networkPolicyFile: z
    .string()
    .min(1)
    .optional()
    .describe("YAML file that says what jobs may reach on all nodes, see docs/network.md; default: nothing"),
  stopsWithStdin: flagField().default(false).describe("stop when stdin ends, so that the cluster never outlives who started it"),
  logLevel: logLevelField.default("error").describe("least important lines that are logged, on stderr"),
});
export type StandaloneConfig = z.infer<typeof StandaloneConfig>;
