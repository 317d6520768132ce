import { flagField, listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { z } from "zod";

const ms = z.coerce.number().int().positive();
const httpUrl = z.url({ protocol: /^https?$/u });

/** Settings of a scheduler. */
export const SchedulerConfig = z
  .strictObject({
    cluster: z
      .string()
      .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/u)
      .default("skrei")
      .describe("name of the cluster; part of every subject on the bus and every key in Redis"),
    instance: z.string().min(1).optional().describe("name of this replica in logs and in the lease; a random one by default"),
    listenHost: z.string().default("127.0.0.1").describe("address to listen on"),
    listenPort: portField().default(1234).describe("port of the API; 0 picks a free one"),
    allowedHosts: listField(z.string())
      .default([])
      .describe("names by which clients may call this service, beside localhost and the bound address"),
    storeUrl: z
      .string()
      .regex(/^(redis|rediss|sqlite):/u, { error: "must be redis://HOST:PORT, sqlite:/PATH or sqlite::memory:" })
      .default("sqlite::memory:")
      .describe("where the state is: redis://HOST:PORT, sqlite:/PATH, or sqlite::memory: for a state that ends with the process"),
    storePassword: z.string().default("").describe("password of Redis; empty when it needs none"),
    natsUrl: listField(z.string()).default(["nats://127.0.0.1:4222"]).describe("NATS servers as this process reaches them"),
    natsToken: z.string().default("").describe("credential for NATS; empty when it needs none"),
    advertisedNatsUrls: listField(z.string()).default([]).describe("NATS servers as nodes reach them; natsUrl by default"),
    publisherUrl: httpUrl.optional().describe("the cluster's publisher as this process reaches it"),
    publicPublisherUrl: httpUrl.optional().describe("the cluster's publisher as clients and nodes reach it; publisherUrl by default"),
    publishToken: z.string().default("").describe("the cluster's token for its publisher; empty: data is neither listed nor let go"),
    joinToken: z.string().min(16).describe("secret that lets a node join"),
    linkSecret: z.string().default("").describe("key of download and upload links, shared with the publisher; empty: no links"),
    accessToken: z
      .string()
      .optional()
      .describe("secret that users must send; none by default, then everybody who reaches the port may use the API"),
    approvesNodes: flagField().default(true).describe("whether a new node may run work without an operator's word"),
    heartbeatIntervalMs: ms.default(2_000).describe("how often a node says that it lives"),
    heartbeatTimeoutMs: ms.default(8_000).describe("silence after which a node is lost and its work placed elsewhere"),
    bidWindowMs: ms.default(500).describe("how long a node may take to answer an ask"),
    bidFanout: ms.default(3).describe("how many nodes are asked to bid for a job"),
    tickIntervalMs: ms.default(2).describe("shortest time between two passes over the queue"),
    sweepIntervalMs: ms.default(5_000).describe("how often everything that waits is looked at though nothing woke it; a safety net"),
    leaseTtlMs: ms.default(3_000).describe("how long a scheduler leads after it was last heard by the store"),
    jobRetentionMs: ms.default(30 * 86_400_000).describe("how long an ended job is kept"),
    resultReconcileIntervalMs: ms.default(60_000).describe("how often results and uploads that nothing needs are let go"),
    uploadRetentionMs: ms
      .default(7 * 86_400_000)
      .describe("how long an upload is kept after it came, or after the last job that reads it was not ended"),
    nodeRetentionMs: ms.default(7 * 86_400_000).describe("how long a lost node is kept"),
    logLevel: logLevelField,
  })
  .refine(({ heartbeatIntervalMs, heartbeatTimeoutMs }) => heartbeatTimeoutMs >= 2 * heartbeatIntervalMs, {
    path: ["heartbeatTimeoutMs"],
    error: "must be at least twice heartbeatIntervalMs, so that one lost message does not lose a node",
  });
export type SchedulerConfig = z.infer<typeof SchedulerConfig>;
