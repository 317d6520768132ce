import type { Constraint } from "./job-spec.ts";

/** True when `labels` satisfy `constraint`; semantics of Kubernetes label selectors. */
export function satisfies(constraint: Constraint, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, constraint.key) ? labels[constraint.key] : undefined;
  const [first] = constraint.values;
  switch (constraint.operator) {
    case "=":
      return value !== undefined && value === first;
    case "!=":
      return value !== first;
    case "in":
      return value !== undefined && constraint.values.includes(value);
    case "notin":
      return value === undefined || !constraint.values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "gt":
      return compares(value, first, (a, b) => a > b);
    case "lt":
      return compares(value, first, (a, b) => a < b);
  }
}

/** `region in (eu-1, eu-2)`, for messages. */
export function describeConstraint({ key, operator, values }: Constraint): string {
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      return `${key} ${operator} (${values.join(", ")})`;
    case "=":
    case "!=":
      return `${key}${operator}${values[0] ?? ""}`;
    case "gt":
    case "lt":
      return `${key} ${operator === "gt" ? ">" : "<"} ${values[0] ?? ""}`;
  }
}

function compares(value: string | undefined, bound: string | undefined, test: (a: number, b: number) => boolean): boolean {
  if (value === undefined || bound === undefined || !INTEGER.test(value) || !INTEGER.test(bound)) return false;
  return test(Number(value), Number(bound));
}

const INTEGER = /^-?\d{1,15}$/u;
