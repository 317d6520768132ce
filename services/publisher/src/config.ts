import { listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { z } from "zod";

const positive = z.coerce.number().int().positive();

/** Settings of a publisher: of a node (with `upstreamUrl`) or of the cluster (without). */
export const PublisherConfig = z.strictObject({
  dataFolder: z.string().min(1).describe("folder for the content store; results are renamed into it, so keep it on their file system"),
  listenHost: z.string().default("127.0.0.1").describe("address to listen on"),
  listenPort: portField().default(1236).describe("port of the API and the download gateway; 0 picks a free one"),
  allowedHosts: listField(z.string())
    .default([])
    .describe("names by which clients may call this service, beside localhost and the bound address"),
  upstreamUrl: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("the cluster's publisher, to which results are pushed; none when this is the cluster's own"),
  upstreamTimeoutMs: positive.default(60_000).describe("how long one call to the cluster's publisher may take"),
  publishToken: z.string().default("").describe("the cluster's token for pushing and reading blocks; empty shuts that door"),
  linkSecret: z.string().default("").describe("key of download and upload links, shared with the scheduler; empty shuts that door"),
  nodeKeyFile: z.string().optional().describe("Ed25519 key (PKCS #8 PEM) that signs manifests; default: one made in the data folder"),
  freeBytesMin: z.coerce.number().int().min(0).default(268_435_456).describe("bytes of the disk that stay free"),
  storeBytesMax: z.coerce.number().int().min(0).default(0).describe("bytes that the store may hold in all; 0 is as the disk allows"),
  pushedBytesMax: z.coerce
    .number()
    .int()
    .min(0)
    .default(10_737_418_240)
    .describe("bytes of results that stay on a node when the cluster's store has them, so that its tasks read them in place"),
  uploadTtlMs: positive.default(604_800_000).describe("how long an upload is kept that no job has used yet"),
  unpinnedBlockTtlMs: positive.default(86_400_000).describe("how long pushed blocks may wait for their pin"),
  sweepIntervalMs: positive.default(3_600_000).describe("how often what nothing needs is removed"),
  s3Endpoint: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("S3-compatible server to publish to; AWS by default. It gets the credentials, so it is the only one"),
  s3Region: z.string().default("").describe("region of that server, where a job names none; us-east-1 by default"),
  s3AccessKeyId: z.string().default("").describe("access key for publishing to S3; without one jobs cannot"),
  s3SecretAccessKey: z.string().default("").describe("secret key for publishing to S3"),
  s3SessionToken: z.string().default("").describe("session token of temporary credentials"),
  s3Buckets: listField(z.string()).default(["*"]).describe("buckets that jobs may publish to; * is all that the credentials may"),
  ipfsRpcUrl: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("RPC of a Kubo daemon, such as http://127.0.0.1:5001, on which jobs may pin results; none by default"),
  publishFolders: listField(z.string().regex(/^\/[^{}]*[^{}/]$/u))
    .default([])
    .describe("folders of the node below which jobs may publish results as new folders; none by default"),
  defaultTarget: z
    .string()
    .default("cluster")
    .describe("where results go whose job names no target: `cluster`, `ipfs`, `local:/path/{executionID}` or `s3://bucket/{executionID}`"),
  targetTimeoutMs: positive.default(120_000).describe("how long a publishing target may be silent"),
  logLevel: logLevelField,
});
export type PublisherConfig = z.infer<typeof PublisherConfig>;
