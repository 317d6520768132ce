import type { Randomness } from "../../services/scheduler/src/ports.ts";

/** The same numbers for the same seed (mulberry32). */
export class SeededChance implements Randomness {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  readonly random = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  randomBytes(): Uint8Array {
    return Uint8Array.from({ length: 10 }, () => Math.floor(this.random() * 256));
  }

  happens(probability: number): boolean {
    return probability > 0 && this.random() < probability;
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }
}
