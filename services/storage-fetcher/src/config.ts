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
  allowedLocalPaths: listField(z.string()).default([]).describe("folders of the node that jobs may read; none by default"),
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
  cacheBytesMax: positive.default(21_474_836_480).describe("bytes that cached inputs may take in all"),
  triesMax: positive.max(20).default(5).describe("tries of one download, or of one block from all gateways, before it fails"),
  answerTimeoutMs: positive.default(30_000).describe("how long an origin may take to answer"),
  lowSpeedBytes: positive.default(32_768).describe("bytes that an origin must send in one lowSpeedWindowMs"),
  lowSpeedWindowMs: positive.default(30_000).describe("span over which the speed of an origin is judged"),
  estimateTimeoutMs: positive.default(300).describe("how long the sizes of inputs may be looked for while a bid waits"),
  logLevel: logLevelField,
});
export type StorageFetcherConfig = z.infer<typeof StorageFetcherConfig>;
