import { listField, logLevelField, portField } from "@skrei/platform/config-fields.ts";
import { z } from "zod";

const positive = z.coerce.number().int().positive();

/** Settings of a node's storage-fetcher. */
export const StorageFetcherConfig = z.strictObject({
  dataFolder: z.string().min(1).describe("folder for the input cache"),
  listenHost: z.string().default("127.0.0.1").describe("address to listen on"),
  listenPort: portField().default(1237).describe("port of the API; 0 picks a free one"),
  allowedHosts: listField(z.string())
    .default([])
    .describe("names by which clients may call this service, beside localhost and the bound address"),
  publisherUrl: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("the cluster's publisher, for inputs by content id"),
  publishToken: z.string().default("").describe("the cluster's token for reading blocks"),
  nodePublisherUrl: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("this node's own publisher, whose results are read in place; none by default"),
  allowedLocalPaths: listField(
    z.string().regex(/^\/(?:.*\/)?[^/:]*(?::r[ow])?$/u, "a folder is absolute, with :ro, :rw or nothing at its end"),
  )
    .default([])
    .describe("folders of the node that jobs may read, or also write to if `:rw` follows; none by default"),
  allowedPrivateCidrs: listField(z.string())
    .default([])
    .describe("private networks from which downloads are allowed, such as 10.0.0.0/8; none by default"),
  ipfsGateways: listField(z.url({ protocol: /^https?$/u }))
    .default([])
    .describe("trustless IPFS gateways that are asked, in this order, for content that the cluster's store lacks; none by default"),
  ipfsRpcUrl: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("RPC of a Kubo daemon, such as http://127.0.0.1:5001, that is asked after the gateways"),
  ipfsTimeoutMs: positive.default(15_000).describe("how long one gateway may take for one block before the next is asked"),
  ipfsParallelMax: positive.max(64).default(8).describe("blocks that are asked of gateways at once"),
  s3Endpoint: z
    .url({ protocol: /^https?$/u })
    .optional()
    .describe("S3-compatible server that is asked with the credentials, and may be in a private network; AWS by default"),
  s3Region: z.string().default("").describe("region for sources that name none; us-east-1 by default"),
  s3AccessKeyId: z.string().default("").describe("credentials for s3Endpoint; without them only public objects can be read"),
  s3SecretAccessKey: z.string().default("").describe("belongs to s3AccessKeyId"),
  s3SessionToken: z.string().default("").describe("belongs to s3AccessKeyId when that is a temporary one"),
  s3Buckets: listField(z.string()).default(["*"]).describe("buckets of s3Endpoint that jobs may read with the credentials; * is all"),
  s3ParallelMax: positive.max(64).default(8).describe("objects of one input that are fetched at once"),
  cacheBytesMax: positive.default(21_474_836_480).describe("bytes that cached inputs may take in all"),
  freeBytesMin: z.coerce
    .number()
    .int()
    .nonnegative()
    .default(1_073_741_824)
    .describe("bytes of the cache's disk that stay free: unused inputs are removed for that, and none is fetched below it"),
  triesMax: positive
    .max(20)
    .default(7)
    .describe("tries of one download, or of one block from all gateways, before it fails; with waits between them, 44 s in all by default"),
  answerTimeoutMs: positive.default(30_000).describe("how long an origin may take to answer"),
  lowSpeedBytes: positive.default(32_768).describe("bytes that an origin must send in one lowSpeedWindowMs"),
  lowSpeedWindowMs: positive.default(30_000).describe("span over which the speed of an origin is judged"),
  estimateTimeoutMs: positive.default(300).describe("how long the sizes of inputs may be looked for while a bid waits"),
  logLevel: logLevelField,
});
export type StorageFetcherConfig = z.infer<typeof StorageFetcherConfig>;
