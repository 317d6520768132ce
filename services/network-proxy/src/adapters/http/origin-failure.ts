import { deny } from "../../domain/denial.ts";
import type { Denial } from "../../domain/decide-egress.ts";
import { DialError } from "./dial.ts";

/** What a task is told when its origin fails it. */
export function originFailure(host: string, error: unknown): Denial {
  if (error instanceof DialError && error.isTimeout) return originTimeout(host, `${host} did not accept the connection in time.`);
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  const why = error instanceof DialError ? `cannot be connected to (${error.message})` : `broke the connection${code}`;
  return deny(host, "EGRESS_ORIGIN_UNREACHABLE", {
    message: `${host} ${why}.`,
    hint: "The request was allowed; try again, or check that the origin is up.",
  });
}

/** What came is no answer. */
export function answerMalformed(host: string, problem: string): Denial {
  return deny(host, "EGRESS_ORIGIN_UNREACHABLE", {
    message: `${host} sent ${problem}.`,
    hint: "The request was allowed; what the origin answers cannot be passed on.",
  });
}

function originTimeout(host: string, message: string): Denial {
  return deny(host, "EGRESS_ORIGIN_TIMEOUT", { message, hint: "The request was allowed; try again, or check that the origin is up." });
}

/** A request or tunnel that stood still or lasted too long. */
export function limitReached(host: string, limit: "idle" | "total", limitMs: number): Denial {
  const why = limit === "idle" ? `nothing moved for ${limitMs} ms` : `it lasted for ${limitMs} ms, which is the limit`;
  return originTimeout(host, `The connection to ${host} was ended: ${why}.`);
}
