import type { Clock } from "../ports.ts";

/**
 * True when `wait` resolved before `delayMs` were over and `signal` aborted. `wait` gets a signal that aborts in both cases, so
 * nothing is left waiting.
 */
export async function waitAtMost(
  delayMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  wait: (until: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const left = new AbortController();
  const until = AbortSignal.any([signal, left.signal]);
  try {
    const isWoken = await Promise.race([wait(until).then(() => true), pause(delayMs, { clock, signal: until }).then(() => false)]);
    return isWoken && !signal.aborted;
  } finally {
    left.abort();
  }
}

/** Resolves after `delayMs` or when aborted. */
export async function pause(delayMs: number, { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }): Promise<void> {
  try {
    await clock.sleep(delayMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
