import { setImmediate as settle } from "node:timers/promises";
import { Heap } from "../../services/scheduler/src/domain/heap.ts";
import type { Clock } from "../../services/scheduler/src/ports.ts";

interface Sleeper {
  readonly atMs: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Time that passes only when told to. Two runs with the same seed see the same order of events. */
export class VirtualClock implements Clock {
  /** Time that passed; who sleeps does so by this. */
  #nowMs = 1_760_000_000_000;
  /** How far the clock on the wall was set ahead of it. */
  #leapMs = 0;
  #order = 0;
  readonly #sleepers = new Heap<Sleeper>((a, b) => (a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs));

  nowMs(): number {
    return this.#nowMs + this.#leapMs;
  }

  /** Somebody sets the clock, or the machine was suspended: nobody who sleeps notices. */
  leap(byMs: number): void {
    this.#leapMs += byMs;
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      this.at(this.#nowMs + delayMs, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
    });
  }

  at(atMs: number, wake: () => void): void {
    this.#sleepers.push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order++, wake });
  }

  /** Lets everything that can go on go on, then moves to the next sleeper; `afterStep` sees each state in between. */
  async run(
    forMs: number,
    { afterStep = nothing, isDone = never }: { afterStep?: () => void; isDone?: () => boolean } = {},
  ): Promise<boolean> {
    const untilMs = this.#nowMs + forMs;
    do {
      await settle();
      afterStep();
      if (isDone()) return true;
    } while (this.#step(untilMs));
    this.#nowMs = untilMs;
    return false;
  }

  /** Runs until the promise has settled. @throws Error when it has not within `withinMs`. */
  async until<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let isSettled = false;
    const noted = promise.finally(() => (isSettled = true));
    noted.catch(() => undefined);
    if (!(await this.run(withinMs, { isDone: () => isSettled }))) throw new Error(`not settled within ${String(withinMs)} virtual ms`);
    return noted;
  }

  #step(untilMs: number): boolean {
    const next = this.#sleepers.peek();
    if (next === undefined || next.atMs > untilMs) return false;
    this.#nowMs = next.atMs;
    while (this.#sleepers.peek()?.atMs === this.#nowMs) this.#sleepers.pop()?.wake();
    return true;
  }
}

function nothing(): void {}

function never(): boolean {
  return false;
}
