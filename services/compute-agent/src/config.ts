import { listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { z } from "zod";

const positive = (): z.ZodCoercedNumber => z.coerce.number().int().positive();
const url = (): z.ZodURL => z.url({ protocol: /^https?$/u });

/** `a=b` of a flag or the environment, or an object of a file. */
const labels = z.preprocess(
  (value) =>
    typeof value === "string"
      ? Object.fromEntries(
          value
            .split(",")
            .filter(Boolean)
            .map((pair) => pair.trim().split(/=(.*)/su, 2)),
        )
      : value,
  z.record(z.string().min(1).max(63), z.string().max(63)),
);

/** Settings of a compute-agent. */
export const ComputeAgentConfig = z.strictObject({
  schedulerUrls: listField(url()).default(["http://127.0.0.1:1234"]).describe("addresses of the scheduler, tried in turn"),
  joinToken: z.string().default("").describe("the cluster's join token"),
  dataFolder: z
    .string()
    .min(1)
    .describe(
      "folder for the node's key, journal, logs and the executions' files; `{slot}` in it becomes the first number that no other agent uses",
    ),
  healthPort: portField().optional().describe("port for health checks, on all addresses; none by default"),
  nodeName: z.string().max(63).default("").describe("name for people; default: the host name"),
  labels: labels.default({}).describe("labels for constraints, `key=value,…`"),
  capacityPercent: z.coerce
    .number()
    .min(1)
    .max(100)
    .default(80)
    .describe("how much of the machine executions may use, where nothing else is said"),
  cpuMillis: positive().optional().describe("thousandths of a core for executions in all"),
  memoryBytes: positive().optional().describe("memory for executions in all"),
  diskBytes: positive().optional().describe("disk for executions in all"),
  startsMax: positive().optional().describe("executions that are made ready at the same time; default: twice the cores"),
  engines: listField(z.enum(["docker", "wasm"]))
    .default(["docker", "wasm"])
    .describe("engines that this node offers when they answer"),
  dockerHost: z.string().default("unix:///var/run/docker.sock").describe("where the Docker engine listens"),
  dockerUser: z
    .string()
    .regex(/^\d+:\d+$/u)
    .default("65534:65534")
    .describe("`uid:gid` of tasks in containers"),
  holdersIdleMax: z.coerce.number().int().min(0).default(4).describe("network holders kept ready for containers"),
  pullTimeoutMs: positive().default(600_000).describe("how long an image may take to arrive"),
  stopGraceMs: z.coerce.number().int().min(0).default(5_000).describe("between asking a task to end and killing it"),
  keepFailedMs: positive().default(120_000).describe("how long keeping the files of a failed run may take"),
  fetcherUrl: url().default("http://127.0.0.1:1237").describe("the node's storage-fetcher"),
  proxyUrl: url().default("http://127.0.0.1:1238").describe("the node's network-proxy"),
  publisherUrl: url().default("http://127.0.0.1:1236").describe("the node's publisher"),
  inputsFolder: z.string().optional().describe("the storage-fetcher's cache; when given, hosts for WASM modules are started ahead"),
  logLevel: logLevelField,
});
export type ComputeAgentConfig = z.infer<typeof ComputeAgentConfig>;
