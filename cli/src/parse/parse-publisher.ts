import type { PublisherTarget, ResultEncoding } from "@skrei/domain";
import { badValue } from "./bad-value.ts";
import { suggestion } from "./did-you-mean.ts";
import { readOptions, refuseOthers, splitAt, splitFields } from "./split-options.ts";
import type { Options } from "./split-options.ts";

/** Bacalhau's words among them: what it calls local and s3managed keeps results for download, as the cluster's store does. */
const PLAIN = new Map<string, PublisherTarget>([
  ["", { type: "default" }],
  ["default", { type: "default" }],
  ["cluster", { type: "cluster" }],
  ["local", { type: "cluster" }],
  ["s3managed", { type: "cluster" }],
  ["noop", { type: "cluster" }],
  ["ipfs", { type: "ipfs" }],
]);

export const PUBLISHER_WORDS = ["cluster", "s3", "ipfs", "local", "s3managed", "noop"] as const;

/** The target of a type that needs nothing more, in any case of letters. */
export function plainPublisher(type: string): PublisherTarget | undefined {
  return PLAIN.get(type.trim().toLowerCase());
}

/** `cluster`, `ipfs`, `local:/path-of-the-node` or `s3://bucket/key[,opt=key=value]`, and Bacalhau's `target=…,opt=…`. */
export function parsePublisher(text: string): PublisherTarget {
  const [head = "", ...rest] = splitFields(text);
  const [key, value] = splitAt(head, "=");
  const target = ["target", "dst", "destination"].includes(key) ? value : head;
  const options = readOptions(rest.map((piece) => optionText(piece, text)));
  if (/^s3:\/\//iu.test(target)) return readS3(target.slice("s3://".length), { text, options });
  refuseOthers(options, { what: `The publisher "${text}"`, known: [] });
  const path = /^(?:local:|file:\/\/)(\/.*)$/isu.exec(target)?.[1];
  if (path !== undefined) return { type: "local", path };
  const plain = plainPublisher(target.replace(/^ipfs:\/\/$/iu, "ipfs"));
  if (plain !== undefined) return plain;
  throw badValue(text, `a publisher: cluster, ipfs, local:/path or s3://bucket/key${suggestion(target, PUBLISHER_WORDS)}`);
}

/** Bacalhau's words among them. */
export function parseEncoding(word: string): ResultEncoding {
  const encoding = ENCODINGS.get(word.trim().toLowerCase());
  if (encoding === undefined) throw badValue(word, "an encoding: gzip, zstd, car or plain");
  return encoding;
}

const ENCODINGS = new Map<string, ResultEncoding>([
  ["", "tar.gz"],
  ["gzip", "tar.gz"],
  ["tar.gz", "tar.gz"],
  ["zstd", "tar.zst"],
  ["tar.zst", "tar.zst"],
  ["car", "car"],
  ["plain", "files"],
  ["files", "files"],
]);

function optionText(piece: string, text: string): string {
  const [key, value] = splitAt(piece, "=");
  if (!["opt", "option"].includes(key)) throw badValue(text, `a publisher: "${key}" is not opt`);
  return value;
}

function readS3(location: string, { text, options }: { text: string; options: Options }): PublisherTarget {
  refuseOthers(options, { what: `The publisher "${text}"`, known: ["endpoint", "region", "encoding"] });
  const [bucket, key] = splitAt(location, "/");
  if (bucket === "" || key === "") throw badValue(text, "a publisher such as s3://bucket/results/{jobID}/{executionID}");
  return {
    type: "s3",
    bucket,
    key,
    region: options.get("region") ?? "",
    endpoint: options.get("endpoint") ?? "",
    encoding: parseEncoding(options.get("encoding") ?? ""),
  };
}
