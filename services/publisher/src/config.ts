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
  unpinnedBlockTtlMs: positive.default(86_400_000).describe("how long pushed blocks may wait for their pin"),
  sweepIntervalMs: positive.default(3_600_000).describe("how often unpinned blocks are looked for"),
  logLevel: logLevelField,
});
export type PublisherConfig = z.infer<typeof PublisherConfig>;
