import { DomainError } from "@skrei/domain";
import { RE2JS } from "re2js";

/** What one match found: the whole and the groups, "" where a group took no part. */
export interface KeyMatch {
  readonly whole: string;
  readonly groups: readonly string[];
}

/** A user's pattern over object keys; finds its leftmost match anywhere in a key. */
export type KeyPattern = (key: string) => KeyMatch | undefined;

/**
 * Compiles a regular expression in RE2's syntax (Go's), which matches in linear time: no pattern can hang the process, at the price of
 * look-around and back-references, which RE2 does not have.
 * @throws DomainError invalid/FIELD_INVALID.
 */
export function compileKeyPattern(pattern: string): KeyPattern {
  if (pattern.length > PATTERN_CHARS_MAX) throw invalid(`it has ${pattern.length} characters; ${PATTERN_CHARS_MAX} are allowed`, undefined);
  const regex = compile(pattern);
  return (key) => {
    const matcher = regex.matcher(key);
    if (!matcher.find()) return undefined;
    const groups = Array.from({ length: matcher.groupCount() }, (_, index) => matcher.group(index + 1) ?? "");
    return { whole: matcher.group(0) ?? "", groups };
  };
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (cause) {
    throw invalid("it does not parse", cause);
  }
}

function invalid(what: string, cause: unknown): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `The pattern for object keys is refused: ${what}.`, {
    hint: "Write it in RE2 syntax, as Go does: no look-around, no back-references, counts up to 1,000.",
    cause,
  });
}

const PATTERN_CHARS_MAX = 1_024;
