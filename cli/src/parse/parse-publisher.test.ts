import { expect, test } from "vitest";
import { parsePublisher } from "./parse-publisher.ts";

const S3 = { type: "s3", bucket: "b", key: "r/{jobID}", region: "", endpoint: "", encoding: "tar.gz" } as const;

test.for([
  ["cluster", { type: "cluster" }],
  ["Local", { type: "cluster" }],
  ["s3managed", { type: "cluster" }],
  ["noop", { type: "cluster" }],
  ["", { type: "default" }],
  ["ipfs", { type: "ipfs" }],
  ["ipfs://", { type: "ipfs" }],
  ["local:/srv/out/{executionID}", { type: "local", path: "/srv/out/{executionID}" }],
  ["file:///srv/out", { type: "local", path: "/srv/out" }],
  ["s3://b/r/{jobID}", S3],
  ["s3://b/r/{jobID},opt=region=eu-1,opt=endpoint=http://h:9000", { ...S3, region: "eu-1", endpoint: "http://h:9000" }],
  ["target=s3://b/r/{jobID},opt=encoding=plain", { ...S3, encoding: "files" }],
  ...(
    [
      ["GZIP", "tar.gz"],
      ["zstd", "tar.zst"],
      ["car", "car"],
    ] as const
  ).map(([word, encoding]) => [`s3://b/r/{jobID},opt=encoding=${word}`, { ...S3, encoding }] as const),
] as const)("reads the publisher %s", ([text, target]) => {
  expect(parsePublisher(text)).toEqual(target);
});

test.for([
  ["s3://b", /is not a publisher such as s3:\/\/bucket\/results/u],
  ["s3:///k", /is not a publisher such as s3/u],
  ["ipsf", /cluster, ipfs, local:\/path or s3:\/\/bucket\/key.*did you mean "ipfs"/u],
  ["local:relative", /is not a publisher/u],
  ["s3://b/k,opt=encoding=zip", /"zip" is not an encoding: gzip, zstd, car or plain/u],
  ["s3://b/k,opt=regoin=x", /unknown option "regoin"/u],
  ["ipfs,opt=region=x", /unknown option "region"/u],
  ["s3://b/k,region=x", /"region" is not opt/u],
] as const)("refuses the publisher %s", ([text, pattern]) => {
  expect(() => parsePublisher(text)).toThrow(pattern);
});
