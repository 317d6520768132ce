import type { PublisherTarget, ResultEncoding } from "@skrei/domain";

/** Where a result goes beside the cluster's store, once the node's default stands for itself. */
export type DeliveryTarget = Exclude<PublisherTarget, { readonly type: "default" | "cluster" }>;

/** Undefined when only the cluster's store gets it. */
export function resolveTarget(asked: PublisherTarget, byDefault: DeliveryTarget | undefined): DeliveryTarget | undefined {
  if (asked.type === "default") return byDefault;
  return asked.type === "cluster" ? undefined : asked;
}

/**
 * Reads `s3://bucket/key[,opt=name=value…]` (names `region`, `endpoint`, `encoding`), `ipfs`, `local:/path` or `cluster`; undefined for
 * what is none of them. Bucket, key and path are not looked at.
 */
export function parseTarget(text: string): PublisherTarget | undefined {
  if (text === "ipfs" || text === "cluster") return { type: text };
  if (text.startsWith("local:/")) return { type: "local", path: text.slice("local:".length) };
  return parseS3Target(text);
}

function parseS3Target(text: string): PublisherTarget | undefined {
  const [location = "", ...options] = text.split(",");
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/u.exec(location) ?? [];
  const given = parseOptions(options);
  if (bucket === undefined || key === undefined || given === undefined) return undefined;
  const { region = "", endpoint = "", encoding: named = "tar.gz" } = given;
  const encoding = ENCODINGS.find((known) => known === named);
  return encoding === undefined ? undefined : { type: "s3", bucket, key, region, endpoint, encoding };
}

function parseOptions(options: readonly string[]): { region?: string; endpoint?: string; encoding?: string } | undefined {
  const pairs = options.map((option) => /^opt=(region|endpoint|encoding)=(.*)$/u.exec(option)?.slice(1));
  return pairs.every((pair) => pair !== undefined) ? (Object.fromEntries(pairs) as Record<string, string>) : undefined;
}

const ENCODINGS: readonly ResultEncoding[] = ["files", "tar.gz", "tar.zst", "car"];
