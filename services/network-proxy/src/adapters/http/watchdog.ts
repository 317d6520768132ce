export interface WatchdogOptions {
  readonly idleTimeoutMs: number;
  /** 0 is no limit. */
  readonly totalTimeoutMs: number;
  readonly onTimeout: (limit: "idle" | "total", limitMs: number) => void;
}

/** Ends what stands still for too long or lasts for too long. One timer, however often it is touched. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #startedAtMs = performance.now();
  #touchedAtMs = this.#startedAtMs;
  #timer: NodeJS.Timeout;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#timer = this.#arm(options.idleTimeoutMs);
  }

  touch(): void {
    this.#touchedAtMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(delayMs: number): NodeJS.Timeout {
    const { totalTimeoutMs } = this.#options;
    const leftMs = totalTimeoutMs === 0 ? delayMs : this.#startedAtMs + totalTimeoutMs - performance.now();
    return setTimeout(() => this.#check(), Math.max(1, Math.ceil(Math.min(delayMs, leftMs))));
  }

  #check(): void {
    const { idleTimeoutMs, totalTimeoutMs, onTimeout } = this.#options;
    const nowMs = performance.now();
    const idleMs = nowMs - this.#touchedAtMs;
    if (totalTimeoutMs > 0 && nowMs - this.#startedAtMs >= totalTimeoutMs) onTimeout("total", totalTimeoutMs);
    else if (idleMs >= idleTimeoutMs) onTimeout("idle", idleTimeoutMs);
    else this.#timer = this.#arm(idleTimeoutMs - idleMs);
  }
}
