/** Those who wait for events of the store; woken when its newest sequence number passes theirs. */
export interface EventWaiters {
  /** The store has events up to `lastSequence`; a lower number than before changes nothing. */
  advance(lastSequence: number): void;
  /** Resolves when events beyond `afterSequence` are known, when aborted, or at `close`. */
  wait(afterSequence: number, signal: AbortSignal): Promise<void>;
  /** How many wait now. */
  size(): number;
  close(): void;
}

export function createEventWaiters(): EventWaiters {
  const waiting = new Set<{ readonly afterSequence: number; readonly wake: () => void }>();
  let known = 0;
  let isClosed = false;
  return {
    advance(lastSequence) {
      known = Math.max(known, lastSequence);
      for (const waiter of waiting) if (waiter.afterSequence < known) waiter.wake();
    },
    wait(afterSequence, signal) {
      if (isClosed || signal.aborted || afterSequence < known) return Promise.resolve();
      return new Promise((resolve) => {
        const waiter = {
          afterSequence,
          wake: () => {
            waiting.delete(waiter);
            signal.removeEventListener("abort", waiter.wake);
            resolve();
          },
        };
        waiting.add(waiter);
        signal.addEventListener("abort", waiter.wake, { once: true });
      });
    },
    size: () => waiting.size,
    close() {
      isClosed = true;
      for (const waiter of waiting) waiter.wake();
    },
  };
}
