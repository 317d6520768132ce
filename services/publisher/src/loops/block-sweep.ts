import type { Logger } from "@skrei/platform/logger.ts";
import type { Clock, ContentStore } from "../ports.ts";

export interface SweepTimes {
  readonly intervalMs: number;
  /** How long a block may wait for its pin. */
  readonly unpinnedBlockTtlMs: number;
}

/** Removes blocks that nobody pinned, now and then, until the signal aborts. */
export async function runBlockSweep(
  store: ContentStore,
  { intervalMs, unpinnedBlockTtlMs }: SweepTimes,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      const count = await store.sweep(clock.nowMs() - unpinnedBlockTtlMs);
      if (count > 0) logger.info({ event: "blocks.swept", count }, "unpinned blocks removed");
    } catch (error) {
      logger.error({ err: error }, "sweep of unpinned blocks failed");
    }
    await clock.sleep(intervalMs, signal).catch(() => undefined); // Only an abort ends a sleep early, and the loop asks for that.
  }
}
