import type { DomainError, ErrorKind } from "@skrei/domain";

export const EXIT = {
  done: 0,
  jobFailed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  unreachable: 5,
  unplaceable: 6,
  timedOut: 7,
  conflict: 8,
  bug: 70,
  interrupted: 130,
} as const;

/** Ends the command with a code; whatever there was to say has been said. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

const CODES: Readonly<Record<ErrorKind, number>> = {
  invalid: EXIT.usage,
  unauthenticated: EXIT.notAllowed,
  forbidden: EXIT.notAllowed,
  notFound: EXIT.notFound,
  exists: EXIT.conflict,
  precondition: EXIT.conflict,
  conflict: EXIT.conflict,
  exhausted: EXIT.conflict,
  unavailable: EXIT.unreachable,
  timeout: EXIT.timedOut,
  cancelled: EXIT.interrupted,
  corrupt: EXIT.jobFailed,
};

/** An ambiguous prefix is like one that is not found; a bug of the server is a bug. */
export function exitCodeOf(error: DomainError): number {
  if (error.reason === "JOB_AMBIGUOUS" || error.reason === "NODE_AMBIGUOUS") return EXIT.notFound;
  if (error.reason === "INTERNAL_ERROR") return EXIT.bug;
  return CODES[error.kind];
}
