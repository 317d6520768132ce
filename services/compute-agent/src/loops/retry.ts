import { DomainError } from "@skrei/domain";
import type { Clock } from "../ports.ts";

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Waits grow from `firstMs` to `maxMs`, doubling. */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
}

/** Repeats `attempt` while the other side is unavailable, until the signal ends it; other errors are thrown at once. */
export async function untilAvailable<T>(attempt: () => Promise<T>, { clock, backoff, signal, onRetry }: RetryOptions): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransient(error)) throw error;
      const delayMs = backoffMs(backoff, failures);
      onRetry?.(error, delayMs);
      await clock.sleep(delayMs, signal);
    }
  }
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  readonly onRetry?: (error: unknown, delayMs: number) => void;
}

/** The other side may answer the same call later. */
function isTransient(error: unknown): boolean {
  return error instanceof DomainError && (error.kind === "unavailable" || error.kind === "timeout");
}
