import { DomainError } from "@skrei/domain";

/** A value that does not fit its grammar: what it was, what is expected. */
export function badValue(text: string, expected: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `"${text}" is not ${expected}.`);
}
