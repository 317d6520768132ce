import { setTimeout as delay } from "node:timers/promises";

/** Half of the time at least, the rest by chance, so that many do not come back at once. */
export async function pause(atMostMs: number, signal: AbortSignal): Promise<void> {
  await delay(atMostMs * (0.5 + Math.random() / 2), undefined, { signal });
}
