import { PublisherConfig } from "@skrei/publisher/config";
import { StorageFetcherConfig } from "@skrei/storage-fetcher/config";
import { z } from "zod";

/** One S3 server and one IPFS node serve both sides: what is read and what is published. */
const SHARED = {
  ipfsRpcUrl: StorageFetcherConfig.shape.ipfsRpcUrl.describe(
    "RPC of a Kubo daemon, such as http://127.0.0.1:5001, that is asked for content, and on which jobs may pin results; none by default",
  ),
  s3Endpoint: StorageFetcherConfig.shape.s3Endpoint.describe("S3-compatible server for inputs and results; AWS by default"),
  s3Region: StorageFetcherConfig.shape.s3Region.describe("region of that server, where a job names none; us-east-1 by default"),
  s3AccessKeyId: StorageFetcherConfig.shape.s3AccessKeyId.describe("access key; without one jobs read public objects and publish none"),
  s3SecretAccessKey: StorageFetcherConfig.shape.s3SecretAccessKey.describe(
    "secret key; better from a file, with --s3-secret-access-key-file",
  ),
  s3SessionToken: StorageFetcherConfig.shape.s3SessionToken.describe("session token of temporary credentials"),
  s3Buckets: StorageFetcherConfig.shape.s3Buckets.describe("buckets that jobs may use with the credentials; * is all"),
} as const;

const KEYS = {
  ipfsRpcUrl: true,
  s3Endpoint: true,
  s3Region: true,
  s3AccessKeyId: true,
  s3SecretAccessKey: true,
  s3SessionToken: true,
  s3Buckets: true,
} as const;

/** Settings of every node's storage-fetcher that the embedded cluster hands on, by the same names. */
export const FetcherSettings = z.object(
  StorageFetcherConfig.pick({ ...KEYS, allowedLocalPaths: true, allowedPrivateCidrs: true, ipfsGateways: true, cacheBytesMax: true }).shape,
);

/** Settings of the publisher that the embedded cluster hands on, by the same names. */
export const PublisherSettings = z.object(
  PublisherConfig.pick({ ...KEYS, publishFolders: true, defaultTarget: true, storeBytesMax: true }).shape,
);

export const dataSettings = { ...FetcherSettings.shape, ...PublisherSettings.shape, ...SHARED };
