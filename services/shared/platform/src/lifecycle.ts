import { DomainError } from "@skrei/domain";

/** What `runMain` runs, and what standalone composes. */
export interface Service {
  /** Resolves when the service serves. A failure has undone what was started. */
  start(): Promise<void>;
  /** Resolves when everything is closed. Idempotent. */
  stop(reason: string): Promise<void>;
}

/**
 * Start steps with their undo. `start` runs them in order and, when one fails, undoes the earlier ones in reverse;
 * `stop` undoes all of them in reverse. Both are idempotent; stopping during start waits for it.
 */
export class ServiceStack {
  #stack = new AsyncDisposableStack();
  readonly #controller = new AbortController();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** Aborts when `stop` is called. For everything that waits. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Runs `steps`, which call `defer` or `use` for what they started. */
  start(steps: (stack: ServiceStack) => Promise<void>): Promise<void> {
    this.#starting ??= this.#run(steps);
    return this.#starting;
  }

  /** Undoes a step: called in reverse order by `stop`, or when a later step fails. */
  defer(undo: () => Promise<void> | void): void {
    this.#stack.defer(undo);
  }

  /** `defer` for something disposable. */
  use<T extends AsyncDisposable | Disposable>(value: T): T {
    return this.#stack.use(value);
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#unwind(reason);
    return this.#stopping;
  }

  async #run(steps: (stack: ServiceStack) => Promise<void>): Promise<void> {
    try {
      await steps(this);
    } catch (error) {
      this.#controller.abort(error);
      await this.#stack.disposeAsync();
      throw error;
    }
  }

  async #unwind(reason: string): Promise<void> {
    this.#controller.abort(new DomainError("unavailable", "SHUTTING_DOWN", `the service is stopping: ${reason}`));
    // A failed start has unwound itself and reported why.
    await this.#starting?.catch(() => undefined);
    if (!this.#stack.disposed) await this.#stack.disposeAsync();
  }
}
