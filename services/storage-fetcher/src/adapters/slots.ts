/** So many at once; the rest waits in the order in which it came. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves when there is a slot; disposing gives it back. */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    const slot = { [Symbol.dispose]: () => this.#giveBack() };
    if (!signal.aborted) return slot;
    slot[Symbol.dispose]();
    throw signal.reason;
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
