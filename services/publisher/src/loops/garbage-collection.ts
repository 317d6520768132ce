import type { Logger } from "@skrei/platform/logger.ts";
import type { Clock, ContentStore } from "../ports.ts";

export interface CollectionTimes {
  readonly intervalMs: number;
  /** How long a block may wait for its pin. */
  readonly unpinnedBlockTtlMs: number;
}

/** Removes what nothing needs, and pushed results beyond the limits, now and then, until the signal aborts. */
export async function runGarbageCollection(
  store: ContentStore,
  { intervalMs, unpinnedBlockTtlMs }: CollectionTimes,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      const nowMs = clock.nowMs();
      const collected = await store.collectGarbage({ isDryRun: false, nowMs, olderThanMs: nowMs - unpinnedBlockTtlMs }, signal);
      const evicted = await store.evictPushed();
      if (collected.pins + collected.blocks + evicted > 0)
        logger.info({ event: "garbage.collected", count: collected.blocks + collected.pins + evicted }, "what nothing needs was removed");
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, "collection of garbage failed");
    }
    await clock.sleep(intervalMs, signal).catch(() => undefined); // Only an abort ends a sleep early, and the loop asks for that.
  }
}
