import { LIMITS } from "@skrei/domain";
import type { InputDivision, InputPartition } from "@skrei/domain";
import { badValue } from "./bad-value.ts";
import { integerBetween } from "./parse-integer.ts";
import type { Options } from "./split-options.ts";

/** How an input is divided: `files`, `object`, `lines`, `bytes`, `regex:PATTERN`, `date:LAYOUT` or `substring:0-4`. */
export function parseDivision(text: string): InputDivision {
  for (const [form, make] of FORMS) {
    const match = form.exec(text.trim());
    if (match !== null) return make(match[1] ?? "", match[2] ?? "");
  }
  throw badValue(text, "a division: files, object, lines, bytes, regex:PATTERN, date:2006-01-02 or substring:0-4");
}

const FORMS: readonly (readonly [RegExp, (first: string, second: string) => InputDivision])[] = [
  [/^files$/iu, () => ({ by: "files" })],
  [/^object$/iu, () => ({ by: "object" })],
  [/^lines$/iu, () => ({ by: "lines", headerLines: 0 })],
  [/^bytes$/iu, () => ({ by: "bytes", recordBytes: 1 })],
  [/^regex:(.+)$/isu, (pattern) => ({ by: "regex", pattern })],
  [/^date:(.+)$/isu, (dateFormat) => ({ by: "date", dateFormat })],
  [/^substring:(\d{1,9})-(\d{1,9})$/iu, (from, to) => ({ by: "substring", startIndex: Number(from), endIndex: Number(to) })],
];

/** Options that `partitionOfOptions` reads. */
export const PARTITION_OPTIONS = ["split", "glob", "header", "record"] as const;

/** A glob alone gives whole files; a header or a record says what kind of division is meant. */
export function partitionOfOptions(options: Options): InputPartition | undefined {
  if (!PARTITION_OPTIONS.some((name) => options.has(name))) return undefined;
  const division = parseDivision(options.get("split") ?? impliedBy(options));
  return { ...withDetails(division, options), glob: options.get("glob") ?? "" };
}

function impliedBy(options: Options): string {
  if (options.has("header")) return "lines";
  return options.has("record") ? "bytes" : "files";
}

function withDetails(division: InputDivision, options: Options): InputDivision {
  const header = options.get("header");
  const record = options.get("record");
  if (header !== undefined && division.by !== "lines") throw badValue(`header=${header}`, "an option of this division, but of split=lines");
  if (record !== undefined && division.by !== "bytes") throw badValue(`record=${record}`, "an option of this division, but of split=bytes");
  if (header !== undefined) return { by: "lines", headerLines: integerBetween(0, LIMITS.headerLinesMax)(header) };
  return record === undefined ? division : { by: "bytes", recordBytes: integerBetween(1, LIMITS.recordBytesMax)(record) };
}
