import { systemClock } from "@skrei/platform/clock.ts";

/** The system's time, set forward by a test; who sleeps wakes by the real time. */
export class MovedClock {
  #aheadMs = 0;

  nowMs = (): number => systemClock.nowMs() + this.#aheadMs;

  sleep = systemClock.sleep;

  advance(byMs: number): void {
    this.#aheadMs += byMs;
  }
}
