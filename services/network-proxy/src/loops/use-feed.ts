import type { Clock } from "../ports.ts";

/** Tells watchers which doors have changed: urgent ones at once, others once the feed has been still for long enough. */
export class UseFeed {
  readonly #clock: Clock;
  readonly #watchers = new Set<Watcher>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Called for every chunk that passes, so it does next to nothing. */
  changed(executionId: string, isUrgent: boolean): void {
    for (const watcher of this.#watchers) watcher.mark(executionId, isUrgent);
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** Ids of doors that have changed since the last batch; an empty batch first. Ends when the signal does. */
  async *watch(signal: AbortSignal): AsyncGenerator<ReadonlySet<string>> {
    const watcher = new Watcher();
    this.#watchers.add(watcher);
    const pause = async (delayMs: number, until: Promise<void>): Promise<void> => {
      const waiting = new AbortController();
      await Promise.race([this.#clock.sleep(delayMs, AbortSignal.any([signal, waiting.signal])).catch(() => undefined), until]);
      waiting.abort();
    };
    try {
      // From here on nothing is missed.
      yield watcher.take();
      while (!signal.aborted) {
        const batch = watcher.take();
        if (batch.size > 0) yield batch;
        await pause(QUIET_MS_MAX, watcher.marked());
        if (!signal.aborted) await pause(GATHER_MS, watcher.urged());
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

/** Within the two seconds that are promised, with room for the way. */
const GATHER_MS = 1_500;
const QUIET_MS_MAX = 60_000;

class Watcher {
  #changed = new Set<string>();
  #isUrgent = false;
  #marked = Promise.withResolvers<void>();
  #urged = Promise.withResolvers<void>();

  mark(executionId: string, isUrgent: boolean): void {
    if (this.#changed.size === 0) this.#marked.resolve();
    this.#changed.add(executionId);
    if (!isUrgent || this.#isUrgent) return;
    this.#isUrgent = true;
    this.#urged.resolve();
  }

  marked(): Promise<void> {
    return this.#marked.promise;
  }

  urged(): Promise<void> {
    return this.#urged.promise;
  }

  take(): ReadonlySet<string> {
    const taken = this.#changed;
    if (taken.size === 0) return taken;
    this.#changed = new Set();
    this.#isUrgent = false;
    this.#marked = Promise.withResolvers();
    this.#urged = Promise.withResolvers();
    return taken;
  }
}
