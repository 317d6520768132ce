import type { DraftInput, Violations } from "@skrei/domain";
import { LocalSource_Create } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { InputSource as PbInputSource, Task as PbTask } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { compileKeyPattern } from "@skrei/s3/key-pattern.ts";
import { addRefusal } from "./add-refusal.ts";
import { draftPartition } from "./draft-partition.ts";
import { requestedSourceFromProto } from "./input-source.ts";

/** Checks what needs a library, or what plain values cannot hold; the domain's rules check the rest. */
export function draftInputs(pb: PbTask, violations: Violations): readonly DraftInput[] {
  return pb.inputs.map(({ alias, target, source, partition: pbPartition }, index) => {
    const field = `task.inputs[${index}]`;
    if (source.case === undefined)
      violations.add(field, "has no source; allowed: inline, content, local, http, s3 or job", "FIELD_REQUIRED");
    addSourceViolations(field, source, violations);
    const partition = draftPartition(`${field}.partition`, pbPartition, violations);
    return {
      alias,
      target: target === "" ? "/inputs" : target,
      source: requestedSourceFromProto(source),
      ...(partition !== undefined && { partition }),
    };
  });
}

function addSourceViolations(field: string, source: PbInputSource["source"], violations: Violations): void {
  if (source.case === "local" && !CREATES.has(source.value.create))
    violations.add(`${field}.local.create`, `found ${source.value.create}; allowed: NOTHING, FOLDER or FILE`, "FEATURE_NOT_AVAILABLE");
  if (source.case === "s3") addRefusal(`${field}.s3.filter`, source.value.filter, { parse: compileKeyPattern, violations });
}

const CREATES: ReadonlySet<number> = new Set(Object.values(LocalSource_Create));
