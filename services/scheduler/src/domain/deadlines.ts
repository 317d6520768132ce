import { Heap } from "./heap.ts";

/** What becomes due when; `run` decides itself whether there is still something to do. */
export interface Deadline {
  readonly atMs: number;
  readonly run: () => void;
}

export class Deadlines {
  readonly #heap = new Heap<Deadline>((a, b) => a.atMs < b.atMs);

  /** True when the new deadline is the next one. */
  add(atMs: number, run: () => void): boolean {
    const deadline = { atMs, run };
    this.#heap.push(deadline);
    return this.#heap.peek() === deadline;
  }

  nextAtMs(): number | undefined {
    return this.#heap.peek()?.atMs;
  }

  /** Takes one that is due. */
  takeDue(nowMs: number): Deadline | undefined {
    const next = this.#heap.peek();
    return next !== undefined && next.atMs <= nowMs ? this.#heap.pop() : undefined;
  }
}
