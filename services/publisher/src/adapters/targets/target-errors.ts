import { DomainError } from "@skrei/domain";

/** `hint` says what the operator must set. */
export function notOffered(message: string, hint: string): DomainError {
  return new DomainError("precondition", "TARGET_NOT_OFFERED", message, { hint });
}

/** For good: another try ends the same way. */
export function refused(message: string, hint: string, cause?: unknown): DomainError {
  return new DomainError("precondition", "TARGET_REFUSED", message, { hint, cause });
}

export function unavailable(message: string, cause?: unknown): DomainError {
  return new DomainError("unavailable", "TARGET_UNAVAILABLE", message, { hint: "Nothing is lost; it is tried again.", cause });
}

/** A key or path that cannot be filled in. */
export function badName(template: string): DomainError {
  return refused(
    `The name "${template.slice(0, 128)}" does not lead to one place below its target.`,
    "Use {jobID}, {executionID}, {nodeID}, {partition}, {date} and {time}, and no empty segment, . or ..",
  );
}
