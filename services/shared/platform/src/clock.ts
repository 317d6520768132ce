import { randomFillSync } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

/** Time of this process; satisfies the `Clock` port of every service. */
export const systemClock = {
  /** Milliseconds since 1970. */
  nowMs: (): number => Date.now(),
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. Does not keep the process alive by itself. */
  sleep: async (delayMs: number, signal: AbortSignal): Promise<void> => {
    try {
      await delay(Math.min(Math.max(delayMs, 0), DELAY_MS_MAX), undefined, { signal, ref: false });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error;
    }
  },
};

/** Chance of this process; satisfies the `Randomness` port and, with the clock, `IdSource`. */
export const systemRandomness = {
  /** 10 bytes that cannot be guessed. */
  randomBytes: (): Uint8Array => {
    if (used + ID_BYTES > pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += ID_BYTES;
    return pool.slice(used - ID_BYTES, used);
  },
  /** In [0, 1). Not for secrets. */
  random: (): number => Math.random(),
};

const ID_BYTES = 10;
/** Filled at once: asking the kernel for each id costs more than the rest of making it. */
const pool = new Uint8Array(4_096);
let used = pool.length;

/** Longer delays overflow the timer and would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;
