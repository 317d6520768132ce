/** Many streams as one, in the order in which their items come. */
export interface StreamMerge<Item> extends AsyncIterable<Item> {
  /** Queues a stream; it begins when fewer than `concurrencyMax` run. Its signal aborts when the reader leaves. */
  add(open: (signal: AbortSignal) => AsyncIterable<Item>): void;
  /** Nothing more will be added: the merge ends with its last stream. */
  close(): void;
}

/** At most one item of each running stream is held, and only until the reader takes it. Read it once. */
export function mergeStreams<Item>({
  concurrencyMax,
  signal,
}: {
  readonly concurrencyMax: number;
  readonly signal: AbortSignal;
}): StreamMerge<Item> {
  return new Merge(concurrencyMax, signal);
}

type Open<Item> = (signal: AbortSignal) => AsyncIterable<Item>;

class Merge<Item> implements StreamMerge<Item> {
  readonly #concurrencyMax: number;
  readonly #left = new AbortController();
  readonly #until: AbortSignal;
  readonly #queued: Open<Item>[] = [];
  readonly #held: { readonly item: Item; readonly taken: () => void }[] = [];
  /** Held items and the one that the reader has. */
  readonly #offered = new Set<() => void>();
  readonly #failures: unknown[] = [];
  #running = 0;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(concurrencyMax: number, signal: AbortSignal) {
    this.#concurrencyMax = concurrencyMax;
    this.#until = AbortSignal.any([signal, this.#left.signal]);
    this.#until.addEventListener("abort", () => this.#release(), { once: true });
  }

  add(open: Open<Item>): void {
    this.#queued.push(open);
    this.#startQueued();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item> {
    try {
      while (!this.#until.aborted) {
        const next = this.#held.shift();
        if (next !== undefined) {
          yield next.item;
          next.taken();
          continue;
        }
        if (this.#failures.length > 0) throw this.#failures[0];
        if (this.#isClosed && this.#running === 0 && this.#queued.length === 0) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#left.abort();
    }
  }

  /** A reader that has left may stay suspended for ever; streams must not wait for it. */
  #release(): void {
    for (const taken of this.#offered) taken();
    this.#wake();
  }

  #startQueued(): void {
    while (this.#running < this.#concurrencyMax && !this.#until.aborted) {
      const open = this.#queued.shift();
      if (open === undefined) return;
      this.#running += 1;
      void this.#pump(open);
    }
  }

  async #pump(open: Open<Item>): Promise<void> {
    try {
      for await (const item of open(this.#until)) {
        if (this.#until.aborted) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#offered.add(resolve);
        this.#held.push({ item, taken: resolve });
        this.#wake();
        await promise;
        this.#offered.delete(resolve);
        if (this.#until.aborted) return;
      }
    } catch (error) {
      this.#failures.push(error);
    } finally {
      this.#running -= 1;
      this.#startQueued();
      this.#wake();
    }
  }
}
