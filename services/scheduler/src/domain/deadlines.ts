import { Heap } from "./heap.ts";

/** What becomes due when. */
export interface Deadline {
  readonly atMs: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Deadlines in order of time. Cancelled ones are thrown out before they outnumber the others: most are never reached. */
export class Deadlines {
  #heap = new Heap<Deadline>(isBefore);
  #cancelled = 0;

  get size(): number {
    return this.#heap.size - this.#cancelled;
  }

  add(atMs: number, run: () => void): Deadline {
    const deadline = { atMs, run, isCancelled: false };
    this.#heap.push(deadline);
    return deadline;
  }

  isNext(deadline: Deadline): boolean {
    return this.#heap.peek() === deadline;
  }

  cancel(deadline: Deadline): void {
    if (deadline.isCancelled) return;
    deadline.isCancelled = true;
    if (++this.#cancelled > CANCELLED_MAX && this.#cancelled > this.#heap.size / 2) this.#compact();
  }

  /** When the next one that was not cancelled is due. */
  nextAtMs(): number | undefined {
    for (let next = this.#heap.peek(); next !== undefined; next = this.#heap.peek()) {
      if (!next.isCancelled) return next.atMs;
      this.#heap.pop();
      this.#cancelled--;
    }
    return undefined;
  }

  /** Takes one that is due. */
  takeDue(nowMs: number): Deadline | undefined {
    for (let next = this.#heap.peek(); next !== undefined && next.atMs <= nowMs; next = this.#heap.peek()) {
      this.#heap.pop();
      if (!next.isCancelled) {
        // From here on it is not in the heap, and a cancellation must not count.
        next.isCancelled = true;
        return next;
      }
      this.#cancelled--;
    }
    return undefined;
  }

  #compact(): void {
    const kept = new Heap<Deadline>(isBefore);
    for (const deadline of this.#heap.items()) if (!deadline.isCancelled) kept.push(deadline);
    this.#heap = kept;
    this.#cancelled = 0;
  }
}

function isBefore(a: Deadline, b: Deadline): boolean {
  return a.atMs < b.atMs;
}

const CANCELLED_MAX = 1_000;
