import type { Constraint, JobSpec, RetryPolicy } from "./job-spec.ts";
import { LIMITS } from "./limits.ts";
import { labelKeyRule, labelValueRule, metaKeyRule, nameRule, textRule } from "./spec-grammar.ts";
import { addTaskViolations } from "./task-rules.ts";
import type { DraftTask } from "./task-rules.ts";
import type { Violations } from "./violations.ts";

/** A spec with defaults, whose required parts may still be missing. Every JobSpec is one. */
export interface DraftSpec extends Omit<JobSpec, "task"> {
  readonly task: DraftTask | undefined;
}

/** Adds everything wrong with `spec`. Fields are paths as in the API's JSON, such as `task.inputs[2].target`. */
export function addSpecViolations(spec: DraftSpec, violations: Violations): void {
  if (spec.name !== "") violations.text("name", spec.name, nameRule);
  violations.text("namespace", spec.namespace, nameRule);
  violations.integer("priority", spec.priority, { min: -100, max: 100 });
  violations.integer("count", spec.count, { min: 1, max: LIMITS.partitionsMax });
  addLabelViolations(spec.labels, violations);
  addMetaViolations(spec.meta, violations);
  if (violations.atMost("constraints", spec.constraints.length, LIMITS.constraintsMax)) {
    for (const [index, constraint] of spec.constraints.entries()) addConstraintViolations(`constraints[${index}]`, constraint, violations);
  }
  addRetryViolations(spec.retry, violations);
  if (spec.task !== undefined) addTaskViolations(spec.task, violations);
}

function addLabelViolations(labels: JobSpec["labels"], violations: Violations): void {
  const entries = Object.entries(labels);
  if (!violations.atMost("labels", entries.length, LIMITS.labelsMax)) return;
  for (const [key, value] of entries) {
    violations.text(`labels[${JSON.stringify(key.slice(0, 80))}]`, key, labelKeyRule);
    violations.text(`labels[${JSON.stringify(key.slice(0, 80))}]`, value, labelValueRule);
  }
}

function addMetaViolations(meta: JobSpec["meta"], violations: Violations): void {
  const entries = Object.entries(meta);
  if (!violations.atMost("meta", entries.length, LIMITS.labelsMax)) return;
  for (const [key, value] of entries) {
    const field = `meta[${JSON.stringify(key.slice(0, 80))}]`;
    violations.text(field, key, metaKeyRule);
    violations.text(field, value, textRule);
    const bytes = utf8Bytes(value);
    if (bytes > LIMITS.metaValueBytesMax) violations.found(field, `${bytes} bytes`, `at most ${LIMITS.metaValueBytesMax} bytes`);
  }
}

const VALUES_OF_OPERATOR = {
  "=": { min: 1, max: 1 },
  "!=": { min: 1, max: 1 },
  in: { min: 1, max: LIMITS.labelsMax },
  notin: { min: 1, max: LIMITS.labelsMax },
  exists: { min: 0, max: 0 },
  "!": { min: 0, max: 0 },
  gt: { min: 1, max: 1, isInteger: true },
  lt: { min: 1, max: 1, isInteger: true },
} as const satisfies Record<Constraint["operator"], { min: number; max: number; isInteger?: true }>;

function addConstraintViolations(field: string, { key, operator, values }: Constraint, violations: Violations): void {
  violations.text(`${field}.key`, key, labelKeyRule);
  const { min, max, ...wanted } = VALUES_OF_OPERATOR[operator];
  if (values.length < min || values.length > max) {
    violations.found(`${field}.values`, values.length, `${min === max ? min : `${min} to ${max}`} for the operator ${operator}`);
    return;
  }
  for (const [index, value] of values.entries()) {
    if (!("isInteger" in wanted)) violations.text(`${field}.values[${index}]`, value, labelValueRule);
    else if (!/^-?\d{1,15}$/u.test(value)) violations.found(`${field}.values[${index}]`, value, "an integer");
  }
}

const DAY_MS = 24 * 3_600_000;

function addRetryViolations(retry: RetryPolicy, violations: Violations): void {
  violations.integer("retry.maxAttempts", retry.attemptsMax, { min: 1, max: LIMITS.attemptsMax });
  violations.integer("retry.backoff", retry.backoffMs, { min: 0, max: DAY_MS, unit: "ms" });
  violations.integer("retry.backoffMax", retry.backoffMsMax, { min: 0, max: DAY_MS, unit: "ms" });
  if (retry.backoffMs > retry.backoffMsMax)
    violations.found("retry.backoffMax", `${retry.backoffMsMax} ms`, `at least the backoff, ${retry.backoffMs} ms`);
  if (!violations.atMost("retry.retryExitCodes", retry.retryExitCodes.length, 32)) return;
  for (const [index, code] of retry.retryExitCodes.entries())
    violations.integer(`retry.retryExitCodes[${index}]`, code, { min: 1, max: 255 });
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
