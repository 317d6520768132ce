import { DomainError } from "@skrei/domain";

/**
 * The signal of one call: aborts with the caller's signal or at the call's deadline, whichever is first. Much cheaper than
 * `AbortSignal.any` with `AbortSignal.timeout`, which cost more than the rest of a call in memory.
 */
export class CallSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #caller: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(this.#caller?.reason);

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#caller = caller;
    if (caller?.aborted === true) this.#onAbort();
    caller?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeoutMs !== undefined)
      this.#timer = setTimeout(() => this.#controller.abort(deadlineExceeded(timeoutMs)), Math.min(Math.max(timeoutMs, 0), DELAY_MS_MAX));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The call is over: nothing aborts any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#onAbort);
  }
}

function deadlineExceeded(timeoutMs: number): DomainError {
  return new DomainError("timeout", "DEADLINE_EXCEEDED", `the call was not answered within ${timeoutMs} ms`);
}

/** Longer delays overflow the timer and would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;
