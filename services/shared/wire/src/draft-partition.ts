import type { InputPartition, Violations } from "@skrei/domain";
import type { InputPartition as PbInputPartition } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { inputPartitionFromProto } from "./input-partition.ts";

/** Checks how a stranger wants an input divided. Absent is absent. */
export function draftPartition(field: string, pb: PbInputPartition | undefined, violations: Violations): InputPartition | undefined {
  if (pb === undefined) return undefined;
  const partition = inputPartitionFromProto(pb);
  if (partition === undefined)
    violations.add(`${field}.by`, "missing or unknown; allowed: FILES, OBJECT, REGEX, SUBSTRING, DATE, LINES or BYTES", "FIELD_REQUIRED");
  return partition;
}
