import { randomBytes } from "node:crypto";
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
  randomBytes: (): Uint8Array => randomBytes(10),
  /** In [0, 1). Not for secrets. */
  random: (): number => Math.random(),
};

/** Longer delays overflow the timer and would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;
