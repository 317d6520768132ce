import { DomainError } from "@skrei/domain";
import type { SeededChance } from "./seeded-chance.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface NetworkFaults {
  /** Each of these is a probability a call. */
  readonly drop: number;
  readonly loseAnswer: number;
  readonly duplicate: number;
  readonly stall: number;
}

export const CALM: NetworkFaults = { drop: 0, loseAnswer: 0, duplicate: 0, stall: 0 };

/** Calls that take time and may be lost, doubled, late or out of order. A call never happened for sure only when it succeeded. */
export class LossyNetwork {
  faults: NetworkFaults = CALM;
  readonly #clock: VirtualClock;
  readonly #chance: SeededChance;

  constructor(clock: VirtualClock, chance: SeededChance) {
    this.#clock = clock;
    this.#chance = chance;
  }

  async call<T>(deliver: () => T | Promise<T>, timeoutMs = 1_000): Promise<T> {
    const { drop, loseAnswer, duplicate } = this.faults;
    if (this.#chance.happens(drop)) {
      await this.#pause(timeoutMs);
      throw timedOut();
    }
    if (this.#chance.happens(duplicate)) void this.#deliverLate(deliver);
    await this.#pause(this.#delayMs());
    const answer = await deliver();
    if (this.#chance.happens(loseAnswer)) {
      await this.#pause(timeoutMs);
      throw timedOut();
    }
    await this.#pause(this.#delayMs());
    return answer;
  }

  async #deliverLate(deliver: () => unknown): Promise<void> {
    await this.#pause(this.#chance.between(1, 3_000));
    try {
      await deliver();
    } catch {
      // Nobody waits for the answer of a doubled message.
    }
  }

  #delayMs(): number {
    return this.#chance.happens(this.faults.stall) ? this.#chance.between(100, 2_500) : this.#chance.between(0, 4);
  }

  #pause(delayMs: number): Promise<void> {
    return this.#clock.sleep(delayMs, NEVER);
  }
}

function timedOut(): DomainError {
  return new DomainError("timeout", "DEADLINE_EXCEEDED", "The call ran out of time.");
}

const NEVER = new AbortController().signal;
