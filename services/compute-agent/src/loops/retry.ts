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
export async function untilAvailable<T>(attempt: () => Promise<T>, { clock, backoff, signal, random, onRetry }: RetryOptions): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransient(error)) throw error;
      const delayMs = backoffMs(backoff, failures) * (1 - JITTER * (random?.() ?? 0));
      onRetry?.(error, delayMs);
      await clock.sleep(delayMs, signal);
    }
  }
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  /** In [0, 1), to shorten the waits: what went away for many comes back to them one by one. Default: they are not shortened. */
  readonly random?: () => number;
  readonly onRetry?: (error: DomainError, delayMs: number) => void;
}

/** The other side may answer the same call later. */
function isTransient(error: unknown): error is DomainError {
  return error instanceof DomainError && (error.kind === "unavailable" || error.kind === "timeout");
}

const JITTER = 0.3;
