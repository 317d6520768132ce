import { Deadlines } from "../domain/deadlines.ts";
import type { Deadline } from "../domain/deadlines.ts";
import type { Clock } from "../ports.ts";
import { Notifier } from "./notifier.ts";

/**
 * Runs what becomes due, when it becomes due; sleeps in between. A deadline counts the time that passes while this process runs: when
 * the clock is set, or the process or its machine stood still, everything is due as much later or earlier. Else all nodes would be
 * silent for an hour at once.
 */
export class DeadlineLoop {
  /** In the time of this loop. */
  readonly #deadlines = new Deadlines();
  readonly #changed = new Notifier();
  readonly #clock: Clock;
  readonly #afterRun: () => void;
  /** How far the clock is ahead of the time of this loop. */
  #leapMs = 0;

  constructor(clock: Clock, afterRun: () => void) {
    this.#clock = clock;
    this.#afterRun = afterRun;
  }

  at(atMs: number, run: () => void): Deadline {
    const deadline = this.#deadlines.add(atMs - this.#leapMs, run);
    if (this.#deadlines.isNext(deadline)) this.#changed.notify();
    return deadline;
  }

  after(delayMs: number, run: () => void): Deadline {
    return this.at(this.#clock.nowMs() + delayMs, run);
  }

  cancel(deadline: Deadline | undefined): void {
    if (deadline !== undefined) this.#deadlines.cancel(deadline);
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#runDue();
      await this.#untilNext(signal);
    }
  }

  #nowMs(): number {
    return this.#clock.nowMs() - this.#leapMs;
  }

  #runDue(): void {
    const nowMs = this.#nowMs();
    let isAnyRun = false;
    for (let due = this.#deadlines.takeDue(nowMs); due !== undefined; due = this.#deadlines.takeDue(nowMs)) {
      due.run();
      isAnyRun = true;
    }
    if (isAnyRun) this.#afterRun();
  }

  /** Until the next deadline, or until an earlier one was added. */
  async #untilNext(signal: AbortSignal): Promise<void> {
    const nextAtMs = this.#deadlines.nextAtMs();
    if (nextAtMs === undefined) return this.#changed.wait(signal);
    const turn = new AbortController();
    const either = AbortSignal.any([signal, turn.signal]);
    const beganAtMs = this.#nowMs();
    const delayMs = Math.max(0, nextAtMs - beganAtMs);
    try {
      await Promise.race([this.#clock.sleep(delayMs, either).catch(ignoreAbort), this.#changed.wait(either).catch(ignoreAbort)]);
    } finally {
      turn.abort(TURN_OVER);
    }
    signal.throwIfAborted();
    this.#noteLeap(this.#nowMs() - beganAtMs, delayMs);
  }

  #noteLeap(passedMs: number, delayMs: number): void {
    if (passedMs < 0) this.#leapMs += passedMs;
    else if (passedMs > delayMs + LATE_MS_MAX) this.#leapMs += passedMs - delayMs;
  }
}

/** A busy process wakes up later than it wanted to; more than this is no lateness but a leap. */
const LATE_MS_MAX = 1_000;

/** One for all: a reason made anew costs a stack trace each time. */
const TURN_OVER = new Error("the turn is over");

/** The loop looks at its own signal afterwards. */
function ignoreAbort(): void {}
