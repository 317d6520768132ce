import { DomainError } from "@skrei/domain";

/** A refusal of one field of an input that names a job; whoever knows the input puts its path in front. */
export function wrongJobField(field: "output" | "partition", message: string): DomainError {
  return new DomainError("invalid", "SPEC_INVALID", `The job spec has a problem at an input's ${field}: ${message}.`, {
    violations: [{ field, message, reason: "FIELD_INVALID" }],
    hint: "See what the job has with `skrei job describe`.",
  });
}
