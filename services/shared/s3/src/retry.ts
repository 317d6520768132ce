import type { ConnectionFailure } from "./connection-failure.ts";
import type { S3Refusal } from "./s3-error.ts";

/**
 * `repeatable` requests have the same effect when they run twice (GET, HEAD, LIST, the same bytes to the same part or key); of others
 * only those are repeated that the server surely has not carried out.
 */
export type Safety = "repeatable" | "once";

/** Whether an answer may be better next time. */
export function mayRetryRefusal({ status, code }: Pick<S3Refusal, "status" | "code">, safety: Safety): boolean {
  if (status === 429 || status === 503 || code === "SlowDown") return true;
  return safety === "repeatable" && (status === 408 || status >= 500 || code === "RequestTimeout") && status !== 501;
}

export function mayRetryFailure({ wasSent, isFinal }: Pick<ConnectionFailure, "wasSent" | "isFinal">, safety: Safety): boolean {
  return !isFinal && (safety === "repeatable" || !wasSent);
}

/**
 * Milliseconds before try `attempt` (2 is the first repetition): half or more of 200 ms, 600 ms, … up to 20 s by chance, so that many
 * callers do not come back together, but never sooner than the server asked for. Undefined when that is longer than anybody should wait here.
 */
export function retryDelayMs(attempt: number, retryAfterMs: number | undefined, chance: number): number | undefined {
  if (retryAfterMs !== undefined && retryAfterMs > RETRY_AFTER_MS_MAX) return undefined;
  const ceilingMs = Math.min(200 * 3 ** Math.max(attempt - 2, 0), 20_000);
  return (retryAfterMs ?? 0) + (ceilingMs * (1 + chance)) / 2;
}

const RETRY_AFTER_MS_MAX = 30_000;
