import { LIMITS } from "@skrei/domain";
import type { InputDivision, InputPartition } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import { parseDivision } from "../parse/parse-division.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import type { FieldCursor } from "./field-cursor.ts";

interface PartitionFields {
  by?: FieldCursor;
  pattern: string;
  startIndex: number;
  endIndex: number;
  dateFormat: string;
  headerLines: number;
  recordBytes: number;
  glob: string;
}

/** Our `{By, Glob, …}` of any input, or a word such as `lines` or `regex:host-(\d+)`. */
export function readPartition(partition: FieldCursor): InputPartition | undefined {
  if (!partition.isMapping) {
    const division = partition.parsed(parseDivision);
    return division === undefined ? undefined : { ...division, glob: "" };
  }
  const read = emptyFields();
  partition.fields({
    By: (field) => (read.by = field),
    Glob: (field) => (read.glob = textOf(field)),
    HeaderLines: (field) => (read.headerLines = numberOf(field, 0, LIMITS.headerLinesMax)),
    RecordBytes: (field) => (read.recordBytes = numberOf(field, 1, LIMITS.recordBytesMax)),
    ...sharedReaders(read),
  });
  const division = readDivision(read.by, { read, types: TYPES, otherwise: "files" });
  return division === undefined ? undefined : { ...division, glob: read.glob };
}

/** `{Type, Pattern, StartIndex, EndIndex, DateFormat}` of an S3 source in Bacalhau's format; undefined for none. */
export function readS3Partition(partition: FieldCursor): InputPartition | undefined {
  const read = emptyFields();
  partition.fields({ Type: (field) => (read.by = field), ...sharedReaders(read) });
  const division = readDivision(read.by, { read, types: S3_TYPES, otherwise: "none" });
  return division === undefined ? undefined : { ...division, glob: "" };
}

interface DivisionWords {
  readonly read: PartitionFields;
  readonly types: readonly string[];
  readonly otherwise: string;
}

function readDivision(field: FieldCursor | undefined, { read, types, otherwise }: DivisionWords): InputDivision | undefined {
  const text = field === undefined || field.isNull ? "" : field.text();
  if (text === undefined) return undefined;
  const word = text.trim().toLowerCase() || otherwise;
  if (types.includes(word)) return divisionOf(word, read);
  return field?.problem("FIELD_INVALID", `unknown division "${text}"${suggestion(word, types) || `; expected ${types.join(", ")}`}.`);
}

function sharedReaders(read: PartitionFields): Record<string, (field: FieldCursor) => void> {
  return {
    Pattern: (field) => (read.pattern = textOf(field)),
    StartIndex: (field) => (read.startIndex = numberOf(field, 0, LIMITS.objectKeyBytesMax)),
    EndIndex: (field) => (read.endIndex = numberOf(field, 0, LIMITS.objectKeyBytesMax)),
    DateFormat: (field) => (read.dateFormat = textOf(field)),
  };
}

function divisionOf(by: string, read: PartitionFields): InputDivision | undefined {
  const { pattern, startIndex, endIndex, dateFormat, headerLines, recordBytes } = read;
  switch (by) {
    case "files":
    case "object":
      return { by };
    case "regex":
      return { by, pattern };
    case "substring":
      return { by, startIndex, endIndex };
    case "date":
      return { by, dateFormat };
    case "lines":
      return { by, headerLines };
    case "bytes":
      return { by, recordBytes };
    default:
      return undefined;
  }
}

function emptyFields(): PartitionFields {
  return { pattern: "", startIndex: 0, endIndex: 0, dateFormat: "", headerLines: 0, recordBytes: 1, glob: "" };
}

function textOf(field: FieldCursor): string {
  return field.isNull ? "" : (field.text() ?? "");
}

/** Also of a number in quotes. */
function numberOf(field: FieldCursor, min: number, max: number): number {
  return field.isNull ? min : (field.parsed(integerBetween(min, max)) ?? min);
}

const TYPES = ["files", "object", "regex", "substring", "date", "lines", "bytes"];
const S3_TYPES = ["none", "object", "regex", "substring", "date"];
