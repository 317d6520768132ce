import { Deadlines } from "../domain/deadlines.ts";
import type { Deadline } from "../domain/deadlines.ts";
import type { Clock } from "../ports.ts";
import { Notifier } from "./notifier.ts";

/** Runs what becomes due, when it becomes due; sleeps in between. */
export class DeadlineLoop {
  readonly #deadlines = new Deadlines();
  readonly #changed = new Notifier();
  readonly #clock: Clock;
  readonly #afterRun: () => void;

  constructor(clock: Clock, afterRun: () => void) {
    this.#clock = clock;
    this.#afterRun = afterRun;
  }

  at(atMs: number, run: () => void): Deadline {
    const deadline = this.#deadlines.add(atMs, run);
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

  #runDue(): void {
    const nowMs = this.#clock.nowMs();
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
    try {
      await Promise.race([
        this.#clock.sleep(Math.max(0, nextAtMs - this.#clock.nowMs()), either).catch(ignoreAbort),
        this.#changed.wait(either).catch(ignoreAbort),
      ]);
    } finally {
      turn.abort(TURN_OVER);
    }
    signal.throwIfAborted();
  }
}

/** One for all: a reason made anew costs a stack trace each time. */
const TURN_OVER = new Error("the turn is over");

/** The loop looks at its own signal afterwards. */
function ignoreAbort(): void {}
