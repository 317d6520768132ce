/** Refused at once after a pause: a page of mistakes, a long list of hosts that is tried out. */
const BURST = 2_000;
const REFUSALS_PER_SECOND = 100;
const STEP_MS = 1_000 / REFUSALS_PER_SECOND;
/** As long as all connections of a door take that wait at once; who would wait longer is not answered. */
const DELAY_MS_MAX = 5_000;

/**
 * When the next refusal of one execution is said. Nothing else slows a task that asks for what it may not have, and each refusal
 * costs the other executions time, and the operator a line in the log.
 */
export class RefusalPace {
  /** When the bucket would be empty of what was booked. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;

  /** Books one and returns how long it waits. Undefined, and nothing booked, when that is too long. */
  book(nowMs: number): number | undefined {
    const paidUntilMs = Math.max(this.#paidUntilMs, nowMs - BURST * STEP_MS) + STEP_MS;
    const delayMs = Math.max(0, paidUntilMs - nowMs);
    if (delayMs > DELAY_MS_MAX) return undefined;
    this.#paidUntilMs = paidUntilMs;
    return delayMs;
  }
}
