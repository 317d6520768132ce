import { DomainError, LIMITS } from "@skrei/domain";
import type { Violations } from "@skrei/domain";

/** Makes what a parser refuses in `text` a problem of the field. Texts that the domain's rules refuse are left to them. */
export function addRefusal(
  field: string,
  text: string,
  { parse, violations }: { parse: (text: string) => unknown; violations: Violations },
): void {
  if (text === "" || text.length > LIMITS.patternCharsMax || text.includes("\0") || !text.isWellFormed()) return;
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    violations.add(field, [error.message, error.metadata["hint"]].filter((part) => part !== undefined).join(" "), error.reason);
  }
}
