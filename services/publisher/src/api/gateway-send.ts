import { once } from "node:events";
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { DomainError, type ErrorKind } from "@skrei/domain";
import type { Exchange } from "./gateway-exchange.ts";

/** Headers of every answer with content: never run, never guessed, kept as long as one likes. */
export function contentHeaders(etag: string, type: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return {
    etag,
    "content-type": type,
    "cache-control": "private, max-age=29030400, immutable",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "referrer-policy": "no-referrer",
    ...more,
  };
}

/** Answers 304 and true when the caller has it already. */
export function isUnchanged({ request, response }: Exchange, etag: string): boolean {
  const known = request.ifNoneMatch?.split(",").map((tag) => tag.trim().replace(/^W\//u, "")) ?? [];
  if (!known.includes(etag.replace(/^W\//u, "")) && !known.includes("*")) return false;
  response.writeHead(304, { etag }).end();
  return true;
}

/** A body that is in memory. */
export function sendWhole(
  exchange: Exchange,
  { etag, type, body }: { readonly etag: string; readonly type: string; readonly body: Uint8Array },
): void {
  if (isUnchanged(exchange, etag)) return;
  exchange.response.writeHead(200, contentHeaders(etag, type, { "content-length": body.length }));
  exchange.response.end(exchange.request.isHead ? undefined : body);
}

/** Writes pieces as fast as the caller reads. Resolves early when the caller leaves. Headers have been written. */
export async function sendPieces(response: ServerResponse, pieces: AsyncIterable<Uint8Array | string>): Promise<void> {
  for await (const piece of pieces) {
    if (response.destroyed || response.writableEnded) return;
    if (response.write(piece)) continue;
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, AbortSignal.timeout(DRAIN_TIMEOUT_MS)]);
    try {
      await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]);
    } finally {
      waiting.abort();
    }
  }
  response.end();
}

/** An error as JSON, or a cut connection when content was on its way: a short body must not look whole. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { kind, reason, message, metadata } =
    error instanceof DomainError ? error : { kind: undefined, reason: "INTERNAL_ERROR", message: "internal error", metadata: {} };
  response.writeHead(kind === undefined ? 500 : STATUS[kind], {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(`${JSON.stringify({ reason, message, metadata })}\n`);
}

/** A link is no login: a bad one is 403, not a 401 that makes browsers ask for a password. */
const STATUS = {
  invalid: 400,
  unauthenticated: 403,
  forbidden: 403,
  notFound: 404,
  exists: 409,
  precondition: 412,
  conflict: 409,
  exhausted: 507,
  unavailable: 503,
  timeout: 504,
  cancelled: 499,
  corrupt: 500,
} as const satisfies Record<ErrorKind, number>;

const DRAIN_TIMEOUT_MS = 120_000;
