import type { Violation } from "./errors.ts";
import type { Reason } from "./reasons.ts";
import type { Rule } from "./spec-grammar.ts";

/** Collects what is wrong with a request. Keeps the first 100; a request of garbage must not become an answer of garbage. */
export class Violations {
  readonly #kept: Violation[] = [];
  #count = 0;

  add(field: string, message: string, reason: Reason = "FIELD_INVALID"): void {
    this.#count += 1;
    if (this.#kept.length < KEPT_MAX) this.#kept.push({ field, message, reason });
  }

  /** `found "x"; allowed: …` */
  found(field: string, value: unknown, allowed: string): void {
    this.add(field, `found ${quote(value)}; allowed: ${allowed}`);
  }

  text(field: string, value: string, rule: Rule): void {
    const allowed = rule(value);
    if (allowed === undefined) return;
    if (value === "") this.add(field, `missing; allowed: ${allowed}`, "FIELD_REQUIRED");
    else this.found(field, value, allowed);
  }

  integer(
    field: string,
    value: number,
    { min, max, unit = "" }: { readonly min: number; readonly max: number; readonly unit?: string },
  ): void {
    if (Number.isSafeInteger(value) && value >= min && value <= max) return;
    this.found(field, value, `${min} to ${max}${unit === "" ? "" : ` ${unit}`}`);
  }

  /** True when there are no more than `max`, so that the entries are worth a look. */
  atMost(field: string, length: number, max: number): boolean {
    if (length > max) this.found(field, length, `at most ${max} entries`);
    return length <= max;
  }

  /** How many were added, kept or not. */
  get count(): number {
    return this.#count;
  }

  get all(): readonly Violation[] {
    return this.#kept;
  }
}

/** JSON form, cut short: values come from strangers and go to terminals and logs. */
export function quote(value: unknown): string {
  const text = typeof value === "string" ? escaped(JSON.stringify(value.slice(0, QUOTED_MAX))) : String(value);
  return typeof value === "string" && value.length > QUOTED_MAX ? `${text}… (${value.length} characters)` : text;
}

/** JSON lets these through; terminals obey some of them, and some reorder or hide what stands beside them. */
function escaped(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}

const KEPT_MAX = 100;
const QUOTED_MAX = 80;
