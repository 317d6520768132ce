import type { Reason } from "./reasons.ts";

/** Who has to act on an error; each kind travels as one Connect code (platform/connect-errors.ts). */
export type ErrorKind =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "notFound"
  | "exists"
  | "precondition"
  | "conflict"
  | "exhausted"
  | "unavailable"
  | "timeout"
  | "cancelled"
  | "corrupt";

/** One thing wrong with a request; `field` is a path such as `tasks[0].env.PATH`. */
export interface Violation {
  readonly field: string;
  readonly message: string;
  readonly reason: Reason;
}

export interface ErrorDetails {
  /** Values to act with: the current state and the allowed ones, candidates, limits. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** All problems of a bad request. */
  readonly violations?: readonly Violation[];
  /** What to do next, in a sentence. Travels as metadata `hint`. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An error that a caller can act on. Everything else that is thrown is a bug. */
export class DomainError extends Error {
  override readonly name = "DomainError";
  readonly kind: ErrorKind;
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];

  constructor(kind: ErrorKind, reason: Reason, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.reason = reason;
    this.metadata = details.hint === undefined ? (details.metadata ?? {}) : { ...details.metadata, hint: details.hint };
    this.violations = details.violations ?? [];
  }
}

/** True for a DomainError of this reason. */
export function hasReason(error: unknown, reason: Reason): error is DomainError {
  return error instanceof DomainError && error.reason === reason;
}
