import type { InputDivision, InputPartition, Violations } from "@skrei/domain";
import { InputPartition_By } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { InputPartition as PbInputPartition } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parseDateLayout } from "@skrei/s3/date-layout.ts";
import { compileKeyPattern } from "@skrei/s3/key-pattern.ts";
import { addRefusal } from "./add-refusal.ts";
import { inputPartitionFromProto } from "./input-partition.ts";

/** Checks how a stranger wants an input divided. Absent is absent. */
export function draftPartition(field: string, pb: PbInputPartition | undefined, violations: Violations): InputPartition | undefined {
  if (pb === undefined) return undefined;
  const partition = inputPartitionFromProto(pb);
  if (partition === undefined) {
    const isSet = pb.by !== InputPartition_By.UNSPECIFIED;
    violations.add(
      `${field}.by`,
      `${isSet ? `found ${pb.by}` : "missing"}; allowed: BY_FILES, BY_OBJECT, BY_REGEX, BY_SUBSTRING, BY_DATE, BY_LINES or BY_BYTES`,
      isSet ? "FEATURE_NOT_AVAILABLE" : "FIELD_REQUIRED",
    );
    return undefined;
  }
  addUnusedViolations(field, { pb, by: partition.by }, violations);
  if (partition.by === "regex") addRefusal(`${field}.pattern`, partition.pattern, { parse: compileKeyPattern, violations });
  if (partition.by === "date") addRefusal(`${field}.dateFormat`, partition.dateFormat, { parse: parseDateLayout, violations });
  // Negative ones are not taken for the default.
  return partition.by === "bytes" && pb.recordBytes < 0n ? { ...partition, recordBytes: Number(pb.recordBytes) } : partition;
}

const OWN_FIELDS = {
  files: [],
  object: [],
  regex: ["pattern"],
  substring: ["startIndex", "endIndex"],
  date: ["dateFormat"],
  lines: ["headerLines"],
  bytes: ["recordBytes"],
} as const satisfies Record<InputDivision["by"], readonly (keyof PbInputPartition)[]>;

/** A field that does nothing is a mistake that would pass in silence. */
function addUnusedViolations(field: string, { pb, by }: { pb: PbInputPartition; by: InputDivision["by"] }, violations: Violations): void {
  const own: readonly string[] = OWN_FIELDS[by];
  for (const [owner, names] of Object.entries(OWN_FIELDS)) {
    for (const name of names) {
      if (own.includes(name) || pb[name] === "" || Number(pb[name]) === 0) continue;
      violations.add(`${field}.${name}`, `found with BY_${by.toUpperCase()}; allowed: only with BY_${owner.toUpperCase()}`);
    }
  }
}
