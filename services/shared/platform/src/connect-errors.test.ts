import { Code, ConnectError } from "@connectrpc/connect";
import { DomainError, type ErrorKind, REASONS } from "@skrei/domain";
import { describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "@skrei/proto/google/rpc/error_details_pb.ts";
import { fromConnectError, isBug, toConnectError } from "./connect-errors.ts";
import { ERROR_CODES } from "./error-codes.ts";
import { decodeError, encodeError } from "./wire-error.ts";

const KINDS = Object.keys(ERROR_CODES) as ErrorKind[];

describe("errors over a wire", () => {
  test.each(KINDS)("keep kind %s, reason, message, metadata and violations", (kind) => {
    const sent = new DomainError(kind, "JOB_NOT_FOUND", "no job j-1", {
      hint: "list them",
      metadata: { candidates: "a, b" },
      violations: [{ field: "spec.count", message: "is 0", reason: "FIELD_INVALID" }],
    });
    const received = fromConnectError(throughTheWire(sent));
    expect(received).toMatchObject({
      kind,
      reason: "JOB_NOT_FOUND",
      message: "no job j-1",
      metadata: sent.metadata,
      violations: sent.violations,
    });
  });

  test("use one code for one kind", () => {
    expect(new Set(KINDS.map((kind) => ERROR_CODES[kind].code)).size).toBe(KINDS.length);
  });

  test("keep the text of a reason that only a newer peer knows", () => {
    const newer = new ConnectError("too new", Code.FailedPrecondition, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "FROM_THE_FUTURE", domain: "skrei", metadata: { year: "2031" } } },
    ]);
    expect(fromConnectError(throughTheWire(newer))).toMatchObject({
      kind: "precondition",
      reason: "REASON_UNKNOWN",
      metadata: { reason: "FROM_THE_FUTURE", year: "2031" },
    });
  });

  test("take reasons of another system for none", () => {
    const foreign = new ConnectError("quota", Code.NotFound, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "JOB_NOT_FOUND", domain: "elsewhere" } },
    ]);
    expect(fromConnectError(throughTheWire(foreign))).toMatchObject({ kind: "notFound", reason: "REASON_UNKNOWN", metadata: {} });
  });

  test.each(Object.values(Code).filter((code): code is Code => typeof code === "number"))(
    "make something of code %i without details",
    (code) => {
      const error = fromConnectError(throughTheWire(new ConnectError("plain", code)));
      expect(REASONS).toHaveProperty(error.reason);
      expect(error.message).toBe("plain");
    },
  );

  test.each(["ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"])("a caller that hung up (%s) is no bug", (code) => {
    const gone = Object.assign(new Error("gone"), { code });
    expect(isBug(gone)).toBe(false);
    expect(toConnectError(gone).code).toBe(Code.Canceled);
  });

  test("hide bugs and name the request id", () => {
    const error = toConnectError(new TypeError("password 1234"), "r-1");
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error, request id r-1" });
    expect(new TextDecoder().decode(encodeError(error, 10_000))).not.toContain("1234");
  });

  test("tell the caller's time-out from the caller's cancel", () => {
    const local = new ConnectError("This operation was aborted", Code.Canceled);
    const timedOut = AbortSignal.abort(new DOMException("late", "TimeoutError"));
    expect(fromConnectError(local, timedOut)).toMatchObject({ kind: "timeout", reason: "DEADLINE_EXCEEDED" });
    expect(fromConnectError(local, AbortSignal.abort())).toMatchObject({ kind: "cancelled", reason: "CANCELLED" });
  });

  test("keep the answer of the peer though the caller left meanwhile", () => {
    const answer = throughTheWire(new DomainError("notFound", "JOB_NOT_FOUND", "no job"));
    expect(fromConnectError(answer, AbortSignal.abort())).toMatchObject({ kind: "notFound" });
  });

  test.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ENOTFOUND", "ERR_STREAM_PREMATURE_CLOSE", "ERR_HTTP2_STREAM_CANCEL"])(
    "call a connection that broke with %s unreachable",
    (code) => {
      const cause = Object.assign(new Error("socket"), { code });
      expect(fromConnectError(new ConnectError("x", Code.Internal, undefined, undefined, cause))).toMatchObject({
        kind: "unavailable",
        reason: "UNREACHABLE",
      });
    },
  );

  test("leave the details out rather than not fit", () => {
    const large = new DomainError("invalid", "SPEC_INVALID", "the spec has problems", {
      violations: Array.from({ length: 1_000 }, (_, index) => ({
        field: `tasks[${index}]`,
        message: "bad".repeat(20),
        reason: "FIELD_INVALID" as const,
      })),
    });
    const bytes = encodeError(large, 10_000);
    expect(bytes.byteLength).toBeLessThan(10_000);
    expect(fromConnectError(decodeError(bytes))).toMatchObject({ kind: "invalid", message: "the spec has problems" });
  });

  test("survive an answer that is no error", () => {
    expect(() => decodeError(new Uint8Array([1, 2, 3]))).toThrow("cannot be read");
  });
});

function throughTheWire(error: Error): ConnectError {
  return decodeError(encodeError(error, 1_000_000));
}
