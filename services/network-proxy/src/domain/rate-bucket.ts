/** What may pass at once after a pause. Small beside ten seconds of 10 Mbit/s (0.5 %), large enough for a burst of a page. */
export const BURST_BYTES = 64 * 1024;

/** Take no more than this at a time: whoever takes next waits for what was taken before, so small slices are shared fairly. */
export const SLICE_BYTES = 16 * 1024;

/**
 * The token bucket of one execution and direction, over all its connections, in virtual time. Bytes are booked when they are taken,
 * in the order of the takes: connections that have one slice booked each take turns.
 */
export class RateBucket {
  #bitsPerSecond: number;
  /** Taken and not yet passed at the plain rate, at `#atMs`. */
  #debtBytes = 0;
  #atMs = Number.NEGATIVE_INFINITY;

  /** A rate of 0 is no limit. */
  constructor(bitsPerSecond: number) {
    this.#bitsPerSecond = bitsPerSecond;
  }

  /** Books `bytes` and returns when they may pass, in the clock of `nowMs`; `nowMs` itself is at once. */
  take(bytes: number, nowMs: number): number {
    if (this.#bitsPerSecond <= 0) return nowMs;
    const bytesPerMs = this.#bitsPerSecond / 8_000;
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#debtBytes = Math.max(0, this.#debtBytes - elapsedMs * bytesPerMs) + bytes;
    this.#atMs = Math.max(this.#atMs, nowMs);
    return Math.max(nowMs, this.#atMs + Math.max(0, this.#debtBytes - BURST_BYTES) / bytesPerMs);
  }

  /** For what is taken from now on; without a limit nothing is owed. */
  setRate(bitsPerSecond: number): void {
    this.#bitsPerSecond = bitsPerSecond;
    if (bitsPerSecond <= 0) this.#debtBytes = 0;
  }
}
