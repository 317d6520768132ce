import type { Publisher, Violations } from "@skrei/domain";
import { Publisher_Type, type Publisher as PbPublisher } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { publisherFromProto } from "./publisher.ts";

/** Checks what a stranger asks for; whatever it returns when there are violations is never used. */
export function draftPublisher(pb: PbPublisher | undefined, violations: Violations): Publisher {
  const publisher = publisherFromProto(pb);
  if (publisher !== undefined) return publisher;
  const isKnown = pb?.type === Publisher_Type.S3;
  const field = isKnown ? "task.publisher.s3.encoding" : "task.publisher.type";
  const allowed = isKnown ? "FILES, TAR_GZIP, TAR_ZSTD or CAR" : "CLUSTER, S3, IPFS or LOCAL";
  violations.add(field, `found ${isKnown ? pb.s3?.encoding : pb?.type}; allowed: ${allowed}`, "FEATURE_NOT_AVAILABLE");
  return { type: "default" };
}
