import { DomainError } from "@skrei/domain";
import { parseDateLayout } from "./date-layout.ts";
import { compileKeyPattern } from "./key-pattern.ts";
import { isFolder, type KeyedObject, withoutPrefix } from "./select-objects.ts";

/** How the objects of an input are divided among a job's partitions. */
export type Partitioning =
  /** Every partition gets every object. */
  | { readonly type: "none" }
  /** By the hash of the whole key. */
  | { readonly type: "object" }
  /** By the groups that `pattern` (RE2) captures in the key without its prefix, or by the whole match. */
  | { readonly type: "regex"; readonly pattern: string }
  /** By the characters from `startIndex` up to `endIndex` of the key without its prefix. */
  | { readonly type: "substring"; readonly startIndex: number; readonly endIndex: number }
  /** By the date at the beginning of the key without its prefix; the layout is Go's, such as `2006-01-02`. */
  | { readonly type: "date"; readonly dateFormat: string };

export interface PartitionOf {
  readonly partitioning: Partitioning;
  /** What all keys begin with: the input's key without its `*`. */
  readonly prefix: string;
  readonly index: number;
  readonly count: number;
}

/**
 * Whether an object is of one partition; folder objects are of none. Unless the partitioning is `none`, each object is in exactly one
 * partition, which depends on its key alone. Objects that give no group, characters or date are in partition 0. The same division as
 * Bacalhau's. One call takes as long as its pattern does for one key.
 * @throws DomainError invalid/FIELD_INVALID.
 */
export function partitionFilter({ partitioning, prefix, index, count }: PartitionOf): (object: KeyedObject) => boolean {
  if (!Number.isInteger(count) || count < 1) throw invalid(`a job cannot have ${count} partitions`);
  if (!Number.isInteger(index) || index < 0 || index >= count) throw invalid(`there is no partition ${index} of ${count}`);
  const groupOf = createGrouping(partitioning, prefix);
  if (count === 1 || groupOf === undefined) return (object) => !isFolder(object);
  return (object) => !isFolder(object) && partitionOf(groupOf(object.key), count) === index;
}

/** What objects are kept together by; "" means nothing was found. */
type Grouping = (key: string) => string;

function createGrouping(partitioning: Partitioning, prefix: string): Grouping | undefined {
  const relative = (key: string): string => withoutPrefix(key, prefix).replace(/^\//u, "");
  switch (partitioning.type) {
    case "none":
      return undefined;
    case "object":
      return (key) => key;
    case "regex":
      return byPattern(partitioning.pattern, relative);
    case "substring":
      return bySubstring(partitioning, relative);
    case "date": {
      // A letter a byte, since the layout says how many bytes of the key are the date.
      const layout = Buffer.from(partitioning.dateFormat).toString("latin1");
      const read = parseDateLayout(layout);
      return (key) => {
        const text = Buffer.from(relative(key)).toString("latin1", 0, layout.length);
        return Buffer.from(read(text) ?? "", "latin1").toString();
      };
    }
  }
}

function byPattern(pattern: string, relative: (key: string) => string): Grouping {
  if (pattern === "") throw invalid("the pattern is empty");
  const match = compileKeyPattern(pattern);
  return (key) => {
    const { whole = "", groups = [] } = match(relative(key)) ?? {};
    const captured = groups.filter((group) => group !== "");
    if (whole === "" || captured.length === 0) return whole;
    return captured.join(GROUP_SEPARATOR);
  };
}

function bySubstring({ startIndex, endIndex }: { startIndex: number; endIndex: number }, relative: (key: string) => string): Grouping {
  if (!Number.isInteger(startIndex) || startIndex < 0) throw invalid(`startIndex is ${startIndex}`);
  if (!Number.isInteger(endIndex) || endIndex <= startIndex) throw invalid(`endIndex is ${endIndex}, not more than startIndex`);
  return (key) => {
    const chars = Array.from(relative(key));
    return chars.length < endIndex ? "" : chars.slice(startIndex, endIndex).join("");
  };
}

function partitionOf(group: string, count: number): number {
  return group === "" ? 0 : fnv1a(group) % count;
}

/** 32 bits, over UTF-8. http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}

function invalid(what: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `The partitioning of the S3 input is wrong: ${what}.`, {
    hint: "Types are none, object, regex (pattern), substring (startIndex, endIndex) and date (dateFormat).",
  });
}

/** Cannot be part of an ordinary key, so that the groups `a`, `bc` and `ab`, `c` differ. */
const GROUP_SEPARATOR = "\u001F";
