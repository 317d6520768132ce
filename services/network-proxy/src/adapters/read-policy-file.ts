import { readFileSync, statSync } from "node:fs";
import { DomainError, quote, type Violation } from "@skrei/domain";
import { suggestion } from "@skrei/platform/config-names.ts";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { PolicyFile, type PolicyFields } from "../config.ts";

/** @throws DomainError invalid/CONFIG_INVALID with all problems, each in one line. */
export function readPolicyFile(path: string): PolicyFields {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) throw invalid(path, `line ${lines.linePos(broken.pos[0]).line}: ${firstLine(broken)}`);
  const values = valuesOf(path, document);
  const parsed = PolicyFile.safeParse(values);
  if (parsed.success) return parsed.data;
  const violations = parsed.error.issues
    .flatMap((issue) => problemsOf(issue, values))
    .map(({ path: place, message }): Violation => {
      const line = lineOf({ document, lines }, place);
      return { field: formatPath(place), reason: "FIELD_INVALID", message: line === undefined ? message : `${message} (line ${line})` };
    });
  const count = violations.length === 1 ? "one problem" : `${violations.length} problems`;
  throw new DomainError("invalid", "CONFIG_INVALID", `${path} is no valid policy, it has ${count}`, { violations, hint: HINT });
}

const HINT = "docs/network.md has all keys of a policy, with their units.";

function invalid(path: string, problem: string): DomainError {
  return new DomainError("invalid", "CONFIG_INVALID", `${path} is no valid policy: ${problem}`, { hint: HINT });
}

/** A pipe would be waited for, a large file stops everything while it is parsed, and an empty one has only begun to be written. */
function readText(path: string): string {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) {
    throw new DomainError("invalid", "CONFIG_INVALID", `${path} does not exist`, { hint: "One that offers nothing says `modes: [none]`." });
  }
  if (!info.isFile()) throw invalid(path, "it is no file");
  if (info.size > FILE_BYTES_MAX) throw invalid(path, `it has ${info.size} bytes, ${FILE_BYTES_MAX} are the most`);
  if (info.size === 0) throw invalid(path, "it is empty; one that offers nothing says `modes: [none]`");
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(path, firstLine(error));
  }
}

/** About 40,000 names. */
const FILE_BYTES_MAX = 1024 * 1024;

function valuesOf(path: string, document: Document): Readonly<Record<string, unknown>> {
  let values: unknown;
  try {
    // No aliases: a small file cannot grow in memory.
    values = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw invalid(path, firstLine(error));
  }
  if (typeof values === "object" && values !== null && !Array.isArray(values)) return values as Readonly<Record<string, unknown>>;
  throw invalid(path, "it must hold keys and values, such as `modes: [none, http]`");
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}

type Place = readonly (string | number)[];

interface Problem {
  readonly path: Place;
  readonly message: string;
}

/** The validator's findings in words for people. */
function problemsOf(issue: z.core.$ZodIssue, values: unknown): Problem[] {
  const path = issue.path.map((key) => (typeof key === "number" ? key : String(key)));
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(PolicyFile.shape);
    return issue.keys.map((key) => ({ path: [key], message: `is no key of a policy${suggestion(key, known, (name) => name)}` }));
  }
  const allowed = allowedBy(issue);
  return [{ path, message: allowed === undefined ? issue.message : `found ${shown(valueAt(values, path))}; allowed: ${allowed}` }];
}

function allowedBy(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code === "invalid_type") return KINDS[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return issue.values.map(String).join(", ");
  if (issue.code === "too_small") return `at least ${issue.minimum}`;
  return issue.code === "too_big" ? `at most ${issue.maximum}` : undefined;
}

const KINDS: Readonly<Record<string, string>> = {
  array: "a list such as [a, b]",
  string: "text",
  number: "a number",
  int: "a whole number",
};

function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : quote(value);
}

/** A list may have been written as one text. */
function valueAt(values: unknown, path: Place): unknown {
  let value = values;
  for (const key of path) {
    if (typeof value === "string") return value;
    value = typeof value === "object" && value !== null ? (value as Readonly<Record<string | number, unknown>>)[key] : undefined;
  }
  return value;
}

function lineOf({ document, lines }: { readonly document: Document; readonly lines: LineCounter }, path: Place): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    const start = isNode(node) ? node.range?.[0] : undefined;
    if (start !== undefined) return lines.linePos(start).line;
  }
  return undefined;
}

function formatPath(path: Place): string {
  return path.map((key, index) => (typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${quoteKey(key)}`)).join("");
}

function quoteKey(key: string): string {
  return /^\w{1,64}$/u.test(key) ? key : quote(key);
}
