/**
 * Cuts a stream into parts of one size. Parts that are through come back by `recycle`, so that a long stream takes the memory of the few
 * parts that are on their way at once, and leaves nothing to collect.
 */
export class PartCutter {
  readonly #sizeBytes: number;
  readonly #free: Uint8Array[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** Parts of exactly `sizeBytes`, the last one shorter. Stops waiting for the stream when the signal says so. */
  async *cut(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
    let part = this.#take();
    let filled = 0;
    for await (const piece of untilAborted(stream, signal)) {
      for (let at = 0; at < piece.length;) {
        const taken = Math.min(piece.length - at, this.#sizeBytes - filled);
        part.set(piece.subarray(at, at + taken), filled);
        at += taken;
        filled += taken;
        if (filled < this.#sizeBytes) continue;
        yield part;
        part = this.#take();
        filled = 0;
      }
    }
    if (filled > 0) yield part.subarray(0, filled);
    return undefined;
  }

  /** Nobody reads `part` any more. */
  recycle(part: Uint8Array): void {
    if (part.length === this.#sizeBytes) this.#free.push(part);
  }

  #take(): Uint8Array {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }
}

async function* untilAborted(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
  const iterator = stream[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined); // Heard only while somebody waits.
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await Promise.race([iterator.next(), aborted.promise]);
      if (done === true) return undefined;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // Not awaited: a stream that hangs would hang its end as well.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
