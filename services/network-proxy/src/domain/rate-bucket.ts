/** What may pass at once after a pause. Small beside ten seconds of 10 Mbit/s (0.5 %), large enough for a burst of a page. */
export const BURST_BYTES = 64 * 1024;

/** Take no more than this at a time: whoever takes next waits for what was taken before, so small slices are shared fairly. */
export const SLICE_BYTES = 16 * 1024;

/**
 * The token bucket of one execution and direction, over all its connections, in virtual time (GCRA). Bytes are booked when they are
 * taken, in the order of the takes: connections that have one slice booked each take turns.
 */
export class RateBucket {
  #bitsPerSecond: number;
  /** When everything taken so far would have passed at the plain rate. */
  #clearAtMs = Number.NEGATIVE_INFINITY;

  /** A rate of 0 is no limit. */
  constructor(bitsPerSecond: number) {
    this.#bitsPerSecond = bitsPerSecond;
  }

  /** Books `bytes` and returns when they may pass, in the clock of `nowMs`; `nowMs` itself is at once. */
  take(bytes: number, nowMs: number): number {
    if (this.#bitsPerSecond <= 0) return nowMs;
    this.#clearAtMs = Math.max(this.#clearAtMs, nowMs) + this.#msOf(bytes);
    return Math.max(nowMs, this.#clearAtMs - this.#msOf(BURST_BYTES));
  }

  /** For what is taken from now on. */
  setRate(bitsPerSecond: number): void {
    this.#bitsPerSecond = bitsPerSecond;
  }

  #msOf(bytes: number): number {
    return (bytes * 8_000) / this.#bitsPerSecond;
  }
}
