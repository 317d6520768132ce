import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { DomainError, parseReason, type Violation } from "@skrei/domain";
import { BadRequestSchema, ErrorInfoSchema } from "@skrei/proto/google/rpc/error_details_pb.ts";
import { ERROR_CODES, kindOf } from "./error-codes.ts";

/** Defines our reasons in google.rpc.ErrorInfo. */
export const ERROR_DOMAIN = "skrei";

/**
 * What a caller over the wire may see. A DomainError becomes its code with ErrorInfo and BadRequest details; a ConnectError
 * stays; an abort or time-out of the platform becomes Canceled or DeadlineExceeded; anything else is a bug:
 * Internal with its message hidden, and `requestId` to find it in the log.
 */
export function toConnectError(error: unknown, requestId: string = randomUUID()): ConnectError {
  if (error instanceof DomainError) return fromDomain(error);
  if (error instanceof ConnectError) return error;
  if (isNamed(error, "TimeoutError"))
    return fromDomain(new DomainError("timeout", "DEADLINE_EXCEEDED", "the call ran out of time", { cause: error }));
  if (isNamed(error, "AbortError") || isCallerGone(error))
    return fromDomain(new DomainError("cancelled", "CANCELLED", "the call was cancelled", { cause: error }));
  const info = { desc: ErrorInfoSchema, value: { reason: "INTERNAL_ERROR", domain: ERROR_DOMAIN, metadata: { requestId } } };
  return new ConnectError(`internal error, request id ${requestId}`, Code.Internal, undefined, [info], error);
}

/** True when `toConnectError` would call it a bug. */
export function isBug(error: unknown): boolean {
  return !(error instanceof DomainError || error instanceof ConnectError || isAbort(error) || isCallerGone(error));
}

/** True for what the platform throws when a signal aborts or times out. */
export function isAbort(error: unknown): boolean {
  return isNamed(error, "TimeoutError") || isNamed(error, "AbortError");
}

/**
 * The DomainError that the other side threw. Reasons of a newer peer become REASON_UNKNOWN with the text in metadata `reason`;
 * an error of the connection itself becomes unavailable/UNREACHABLE; `signal` is the caller's, to tell its abort from its time-out.
 */
export function fromConnectError(error: unknown, signal?: AbortSignal): DomainError {
  if (error instanceof DomainError) return error;
  if (signal?.aborted === true && !isFromPeer(error)) return fromAbort(signal.reason, error);
  if (!(error instanceof ConnectError)) return fromForeign(error);
  // Connect's call runner wraps what a wire or an interceptor of ours threw.
  if (!error.isWireError && error.cause instanceof DomainError) return error.cause;
  return isBrokenConnection(error) ? unreachable(error) : fromPeer(error);
}

function unreachable(cause: unknown): DomainError {
  return new DomainError("unavailable", "UNREACHABLE", "the connection to the service failed", {
    cause,
    hint: "is the service running and the address right?",
  });
}

function fromPeer(error: ConnectError): DomainError {
  const { kind, reason: fallback } = kindOf(error.code);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === ERROR_DOMAIN);
  const details = { violations: violationsOf(error), cause: error };
  if (info === undefined) return new DomainError(kind, fallback, error.rawMessage, details);
  const reason = parseReason(info.reason);
  if (reason !== undefined) return new DomainError(kind, reason, error.rawMessage, { ...details, metadata: info.metadata });
  return new DomainError(kind, "REASON_UNKNOWN", error.rawMessage, { ...details, metadata: { ...info.metadata, reason: info.reason } });
}

function fromDomain(error: DomainError): ConnectError {
  const details: NonNullable<ConstructorParameters<typeof ConnectError>[3]> = [
    { desc: ErrorInfoSchema, value: { reason: error.reason, domain: ERROR_DOMAIN, metadata: { ...error.metadata } } },
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, message, reason }) => ({ field, description: message, reason }));
    details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  return new ConnectError(error.message, ERROR_CODES[error.kind].code, undefined, details, error);
}

function violationsOf(error: ConnectError): Violation[] {
  return error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) =>
    fieldViolations.map(({ field, description, reason }) => ({
      field,
      message: description,
      reason: parseReason(reason) ?? "REASON_UNKNOWN",
    })),
  );
}

function fromAbort(reason: unknown, cause: unknown): DomainError {
  return isNamed(reason, "TimeoutError")
    ? new DomainError("timeout", "DEADLINE_EXCEEDED", "the call ran out of time", { cause })
    : new DomainError("cancelled", "CANCELLED", "the caller cancelled the call", { cause: reason ?? cause });
}

function fromForeign(error: unknown): DomainError {
  if (isAbort(error)) return fromAbort(error, error);
  return new DomainError("unavailable", "INTERNAL_ERROR", "the call failed on this side", { cause: error });
}

function isFromPeer(error: unknown): boolean {
  return error instanceof ConnectError && error.isWireError;
}

/** Node reports refused, reset and half-read connections under several codes; none of them came from the peer's handler. */
function isBrokenConnection(error: ConnectError): boolean {
  if (error.isWireError) return false;
  if (error.code === Code.Aborted || error.code === Code.Canceled) return true;
  return nodeCodesOf(error).some((code) => BROKEN.test(code));
}

const BROKEN = /^(?:ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|ENOENT|ERR_STREAM|ERR_HTTP2|UND_ERR)/u;

function nodeCodesOf(error: Error): string[] {
  const codes: string[] = [];
  let current: unknown = error.cause;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if ("code" in current && typeof current.code === "string") codes.push(current.code);
    current = current.cause;
  }
  return codes;
}

/** A handler that reads or writes a stream hears that its caller hung up from the stream, before any signal says so. */
function isCallerGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && CALLER_GONE.has(error.code);
}

const CALLER_GONE: ReadonlySet<unknown> = new Set(["ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"]);

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
