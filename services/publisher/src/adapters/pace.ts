import { setImmediate as nextTurn } from "node:timers/promises";

/** Lets other work of the process run during a long synchronous job. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #turnStartedAt = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** True when this turn of the event loop has lasted long enough; then `await pace.rest()`. */
  get isDue(): boolean {
    return performance.now() - this.#turnStartedAt > TURN_MS_MAX;
  }

  /** @throws the signal's reason. */
  async rest(): Promise<void> {
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#turnStartedAt = performance.now();
  }
}

/** Long enough that the switch costs nothing, short enough that nobody notices. */
const TURN_MS_MAX = 8;
