/**
 * Requests of one door begin a few at a time, and between them the event loop serves the others. One after the other is not enough:
 * hundreds of connections may each have one that is ready.
 */
export class Turns {
  #left = TURNS_PER_ROUND;
  #isRound = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the next request may begin. Undefined: at once. */
  next(): Promise<void> | undefined {
    this.#beginRound();
    if (this.#left > 0) {
      this.#left -= 1;
      return undefined;
    }
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  #beginRound(): void {
    if (this.#isRound) return;
    this.#isRound = true;
    setImmediate(() => this.#endRound());
  }

  #endRound(): void {
    this.#isRound = false;
    this.#left = TURNS_PER_ROUND;
    for (const begin of this.#waiting.splice(0, TURNS_PER_ROUND)) {
      this.#left -= 1;
      begin();
    }
    if (this.#waiting.length > 0) this.#beginRound();
  }
}

/** About a millisecond's work. */
const TURNS_PER_ROUND = 8;
