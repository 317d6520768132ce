import { DomainError } from "@skrei/domain";

/** How many may watch at once. Each may keep one encoded message that it does not read, which is all that a watch can cost. */
export class WatchPlaces {
  readonly #what: string;
  readonly #max: number;
  #taken = 0;

  /** `what` names the call, for those who are refused. */
  constructor(what: string, max: number = WATCHES_MAX) {
    this.#what = what;
    this.#max = max;
  }

  /** The place is free again when disposed, or at once when the reader leaves: its stream may take longer to notice. */
  take(signal: AbortSignal): Disposable {
    if (this.#taken >= this.#max) {
      throw new DomainError("exhausted", "WATCHES_EXHAUSTED", `${this.#taken} of ${this.#max} watches by ${this.#what} are open.`, {
        hint: "Close one that nobody reads, or use the list call instead.",
      });
    }
    this.#taken += 1;
    let isTaken = true;
    const leave = (): void => {
      if (isTaken) this.#taken -= 1;
      isTaken = false;
      signal.removeEventListener("abort", leave);
    };
    signal.addEventListener("abort", leave, { once: true });
    return { [Symbol.dispose]: leave };
  }
}

const WATCHES_MAX = 64;
