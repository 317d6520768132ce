import { LIMITS } from "./limits.ts";
import { bucketRule, endpointRule, regionRule } from "./object-grammar.ts";
import type { Publisher } from "./publisher.ts";
import { absolutePathRule, textRule } from "./spec-grammar.ts";
import type { Rule } from "./spec-grammar.ts";
import type { Violations } from "./violations.ts";

/** What keys and paths of targets may hold; replaced when a result is published. */
export const TARGET_PLACEHOLDERS = ["{jobID}", "{executionID}", "{nodeID}", "{partition}", "{date}", "{time}"] as const;

export function addPublisherViolations(publisher: Publisher, violations: Violations): void {
  const { retentionMs } = publisher;
  if (retentionMs !== undefined) violations.integer("task.publisher.retention", retentionMs, { min: 1, max: RETENTION_MS_MAX, unit: "ms" });
  if (publisher.type === "s3") {
    violations.text("task.publisher.s3.bucket", publisher.bucket, bucketRule);
    violations.text("task.publisher.s3.key", publisher.key, targetKeyRule);
    violations.text("task.publisher.s3.region", publisher.region, regionRule);
    violations.text("task.publisher.s3.endpoint", publisher.endpoint, endpointRule);
  }
  if (publisher.type === "local") violations.text("task.publisher.local.path", publisher.path, targetPathRule);
}

const targetKeyRule: Rule = (value) => {
  // Room for the ending that an encoding adds.
  if (new TextEncoder().encode(longestFilling(value)).length > LIMITS.objectKeyBytesMax - 8)
    return `a key of at most ${LIMITS.objectKeyBytesMax - 8} bytes of UTF-8 once its placeholders are replaced`;
  const segments = value.replace(/\/$/u, "").split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..") || /\p{Cc}/u.test(value))
    return "a key such as results/{executionID}: no / at its start, no //, no ., no .. and no control characters";
  return textRule(value) ?? placeholderRule(value);
};

const targetPathRule: Rule = (value) => {
  const problem = absolutePathRule(longestFilling(value)) ?? placeholderRule(value);
  if (problem !== undefined) return problem;
  return value === "/" ? "a path of a folder that does not exist yet, such as /srv/results/{executionID}" : undefined;
};

const placeholderRule: Rule = (value) =>
  /[{}]/u.test(longestFilling(value)) ? `braces around ${TARGET_PLACEHOLDERS.join(", ")} alone` : undefined;

/** As long as it can get: ids have 28 characters. */
function longestFilling(template: string): string {
  return TARGET_PLACEHOLDERS.reduce((text, placeholder) => text.replaceAll(placeholder, "x".repeat(28)), template);
}

const RETENTION_MS_MAX = 3650 * 24 * 3_600_000;
