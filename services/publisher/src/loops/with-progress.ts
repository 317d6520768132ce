import { DomainError } from "@skrei/domain";
import type { Clock } from "../ports.ts";

/**
 * Yields what `work` tells while it runs, the newest only and at most four times a second; returns what it resolves with. Whoever stops
 * reading ends the work.
 */
export async function* withProgress<Progress, Result>(
  { clock, signal }: { readonly clock: Pick<Clock, "nowMs">; readonly signal: AbortSignal },
  work: (tell: (progress: Progress) => void, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<Progress, Result> {
  const left = new AbortController();
  let newest: { readonly progress: Progress } | undefined;
  let isOver = false;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let news = Promise.withResolvers<void>();
  const tell = (progress: Progress): void => {
    const nowMs = clock.nowMs();
    if (nowMs - toldAtMs < INTERVAL_MS) return;
    toldAtMs = nowMs;
    newest = { progress };
    news.resolve();
  };
  const working = work(tell, AbortSignal.any([signal, left.signal])).finally(() => {
    isOver = true;
    news.resolve();
  });
  working.catch(() => undefined); // Thrown below.
  try {
    while (!isOver) {
      await news.promise;
      news = Promise.withResolvers();
      const told = newest;
      newest = undefined;
      if (told !== undefined) yield told.progress;
    }
    return await working;
  } finally {
    left.abort(new DomainError("cancelled", "CANCELLED", "nobody waits for it any more"));
    await working.catch(() => undefined);
  }
}

const INTERVAL_MS = 250;
