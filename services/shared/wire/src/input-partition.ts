import { create } from "@bufbuild/protobuf";
import type { InputDivision, InputPartition } from "@skrei/domain";
import { InputPartition_By, InputPartitionSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { InputPartition as PbInputPartition } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { reverse } from "./enum-table.ts";

const BY_TO_PROTO = {
  files: InputPartition_By.FILES,
  object: InputPartition_By.OBJECT,
  regex: InputPartition_By.REGEX,
  substring: InputPartition_By.SUBSTRING,
  date: InputPartition_By.DATE,
  lines: InputPartition_By.LINES,
  bytes: InputPartition_By.BYTES,
} as const satisfies Record<InputDivision["by"], InputPartition_By>;
const BY_FROM_PROTO = reverse<InputDivision["by"]>(BY_TO_PROTO);

export function inputPartitionToProto(partition: InputPartition): PbInputPartition {
  const { by, glob, ...rest } = { recordBytes: 0, ...partition };
  return create(InputPartitionSchema, { ...rest, by: BY_TO_PROTO[by], glob, recordBytes: BigInt(rest.recordBytes) });
}

/** Undefined for a division of a newer peer, or none. Fields that the division does not use are dropped. */
export function inputPartitionFromProto(pb: PbInputPartition): InputPartition | undefined {
  const division = divisionFromProto(pb);
  return division === undefined ? undefined : { ...division, glob: pb.glob };
}

function divisionFromProto(pb: PbInputPartition): InputDivision | undefined {
  const by = BY_FROM_PROTO.get(pb.by);
  switch (by) {
    case "files":
    case "object":
      return { by };
    case "regex":
      return { by, pattern: pb.pattern };
    case "substring":
      return { by, startIndex: pb.startIndex, endIndex: pb.endIndex };
    case "date":
      return { by, dateFormat: pb.dateFormat };
    case "lines":
      return { by, headerLines: pb.headerLines };
    case "bytes":
      return { by, recordBytes: Math.max(1, Number(pb.recordBytes)) };
    case undefined:
      return undefined;
  }
}
