import { LIMITS } from "./limits.ts";
import { textRule, urlRule } from "./spec-grammar.ts";
import type { Rule } from "./spec-grammar.ts";

/** Names may hold upper case and `_`, as old buckets and other servers do. */
export const bucketRule: Rule = (value) =>
  /^[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]$/iu.test(value) && !value.includes("..")
    ? undefined
    : "a bucket: 3 to 63 letters, digits, dots and hyphens, beginning and ending with a letter or digit";

/** Empty is the whole bucket. */
export const objectKeyRule: Rule = (value) =>
  utf8Bytes(value) <= LIMITS.objectKeyBytesMax ? textRule(value) : `at most ${LIMITS.objectKeyBytesMax} bytes of UTF-8`;

export const regionRule: Rule = (value) => (/^[a-z0-9-]{0,64}$/iu.test(value) ? undefined : "a region such as eu-central-1");

export const endpointRule: Rule = (value) => {
  if (value === "") return undefined;
  const problem = urlRule(value);
  if (problem !== undefined) return problem;
  return /[?#]/u.test(value) ? "a URL such as https://s3.example.com, without ? and #" : undefined;
};

export const versionIdRule: Rule = (value) =>
  /^[\x21-\x7e]{0,1024}$/u.test(value) ? undefined : "at most 1,024 printable ASCII characters without spaces";

/**
 * Which paths are meant: `*` and `?` stay within a name, `**` as a whole name is any number of folders, `[a-z]` is one character, `{a,b}`
 * one of several. Bounded, so that no glob takes long to match. Empty is every path.
 */
export const globRule: Rule = (value) => {
  if (value === "") return undefined;
  if (value.length > GLOB_CHARS_MAX || textRule(value) !== undefined || value.includes("\\"))
    return `a glob such as **/*.csv of at most ${GLOB_CHARS_MAX} characters, without \\`;
  const names = value.split("/");
  if (names.some((name) => name === "" || name === "." || name === ".."))
    return "a glob such as **/*.csv, relative to the input: no / at its ends, no //, no . and no ..";
  if (names.some((name) => name !== "**" && name.includes("**"))) return "a glob whose ** is a whole name, such as **/*.csv";
  if (!hasPlainBrackets(value)) return "a glob whose [] and {} are closed, not empty, not nested, and within one name";
  const wildcards = value.replaceAll("**", "*").split(/[*{]/u).length - 1;
  return wildcards > GLOB_WILDCARDS_MAX ? `a glob with at most ${GLOB_WILDCARDS_MAX} of * and {}` : undefined;
};

function hasPlainBrackets(glob: string): boolean {
  return !/[[\]{}]/u.test(glob.replaceAll(/\[!?[^[\]{}/!]+\]|\{[^[\]{}/]+\}/gu, "x"));
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

const GLOB_CHARS_MAX = 256;
const GLOB_WILDCARDS_MAX = 32;
