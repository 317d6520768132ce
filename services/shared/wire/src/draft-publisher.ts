import { Publisher_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Publisher as PbPublisher } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Publisher, Violations } from "@skrei/domain";
import { draftDuration } from "./draft-duration.ts";
import { publisherFromProto } from "./publisher.ts";

/** Checks what a stranger asks for; whatever it returns when there are violations is never used. */
export function draftPublisher(pb: PbPublisher | undefined, violations: Violations): Publisher {
  if (pb === undefined) return { type: "default" };
  addUnusedViolations(pb, violations);
  draftDuration(0, { field: "task.publisher.retention", duration: pb.retention, violations });
  const publisher = publisherFromProto(pb);
  if (publisher !== undefined) return publisher;
  const isKnown = pb.type === Publisher_Type.S3;
  const field = isKnown ? "task.publisher.s3.encoding" : "task.publisher.type";
  const allowed = isKnown ? "FILES, TAR_GZIP, TAR_ZSTD or CAR" : "CLUSTER, S3, IPFS or LOCAL";
  violations.add(field, `found ${isKnown ? pb.s3?.encoding : pb.type}; allowed: ${allowed}`, "FEATURE_NOT_AVAILABLE");
  return { type: "default" };
}

/** A target that is described and not used is a mistake that would pass in silence. */
function addUnusedViolations({ type, s3, local }: PbPublisher, violations: Violations): void {
  if (s3 !== undefined && type !== Publisher_Type.S3)
    violations.add("task.publisher.s3", "found with another type; allowed: only with TYPE_S3");
  if (local !== undefined && type !== Publisher_Type.LOCAL)
    violations.add("task.publisher.local", "found with another type; allowed: only with TYPE_LOCAL");
}
