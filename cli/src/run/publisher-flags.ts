import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { PublisherSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Publisher as PbPublisher } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { publisherToProto } from "@skrei/wire/publisher.ts";
import { valueFlag } from "../flags.ts";
import type { FlagValues } from "../flags.ts";
import { parseDuration } from "../parse/parse-duration.ts";
import { parsePublisher } from "../parse/parse-publisher.ts";

/** Where results go and how long they stay. */
export const PUBLISHER_FLAGS = {
  publisher: valueFlag("TARGET", "where results go as well: s3://bucket/key, ipfs, local:/path; cluster is nowhere else", parsePublisher, {
    short: "p",
  }),
  retention: valueFlag("TIME", "how long the cluster keeps the results after the job's end: 7d", parseDuration),
} as const;

/** The publisher that flags ask for, over the one of a job file; nothing when neither says anything. */
export function publisherOfFlags(
  { publisher, retention }: FlagValues<typeof PUBLISHER_FLAGS>,
  base?: PbPublisher,
): { readonly publisher?: PbPublisher } {
  if (publisher === undefined && retention === undefined) return base === undefined ? {} : { publisher: base };
  const kept = retention === undefined ? base?.retention : durationFromMs(retention);
  const target = publisher === undefined ? (base ?? create(PublisherSchema)) : publisherToProto(publisher);
  const { retention: _, ...rest } = target;
  return { publisher: create(PublisherSchema, { ...rest, ...(kept !== undefined && { retention: kept }) }) };
}
