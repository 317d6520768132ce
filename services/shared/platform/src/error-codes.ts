import { Code } from "@connectrpc/connect";
import type { ErrorKind, Reason } from "@skrei/domain";

/** How each kind travels, and the reason to assume when the other side names none that is known here. The only such table. */
export const ERROR_CODES: Readonly<Record<ErrorKind, { readonly code: Code; readonly reason: Reason }>> = {
  invalid: { code: Code.InvalidArgument, reason: "REASON_UNKNOWN" },
  unauthenticated: { code: Code.Unauthenticated, reason: "TOKEN_INVALID" },
  forbidden: { code: Code.PermissionDenied, reason: "REASON_UNKNOWN" },
  notFound: { code: Code.NotFound, reason: "REASON_UNKNOWN" },
  exists: { code: Code.AlreadyExists, reason: "REASON_UNKNOWN" },
  precondition: { code: Code.FailedPrecondition, reason: "REASON_UNKNOWN" },
  conflict: { code: Code.Aborted, reason: "REASON_UNKNOWN" },
  exhausted: { code: Code.ResourceExhausted, reason: "MESSAGE_TOO_LARGE" },
  unavailable: { code: Code.Unavailable, reason: "UNREACHABLE" },
  timeout: { code: Code.DeadlineExceeded, reason: "DEADLINE_EXCEEDED" },
  cancelled: { code: Code.Canceled, reason: "CANCELLED" },
  corrupt: { code: Code.DataLoss, reason: "REASON_UNKNOWN" },
};

/** Codes that no kind of ours uses, sent by libraries or by bugs. */
const FOREIGN_CODES: Readonly<Partial<Record<Code, { readonly kind: ErrorKind; readonly reason: Reason }>>> = {
  [Code.Internal]: { kind: "unavailable", reason: "INTERNAL_ERROR" },
  [Code.Unknown]: { kind: "unavailable", reason: "INTERNAL_ERROR" },
  [Code.Unimplemented]: { kind: "precondition", reason: "FEATURE_NOT_AVAILABLE" },
  [Code.OutOfRange]: { kind: "invalid", reason: "FIELD_INVALID" },
};

/** The kind and fallback reason of a code. */
export function kindOf(code: Code): { readonly kind: ErrorKind; readonly reason: Reason } {
  return KINDS.get(code) ?? FOREIGN_CODES[code] ?? { kind: "unavailable", reason: "INTERNAL_ERROR" };
}

const KINDS = new Map(
  (Object.keys(ERROR_CODES) as ErrorKind[]).map((kind) => [ERROR_CODES[kind].code, { kind, reason: ERROR_CODES[kind].reason }]),
);
