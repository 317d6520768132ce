import { DomainError } from "@skrei/domain";
import type { TermContext } from "./term-context.ts";

/** Removes jobs that ended long ago and nodes that have been lost for long, a bounded number at a time. */
export async function runRetention(term: TermContext): Promise<void> {
  const lostSince = new Map<string, number>();
  for (;;) {
    await term.clock.sleep(RETENTION_INTERVAL_MS, term.signal);
    await removeEndedJobs(term);
    removeLostNodes(term, lostSince);
    term.committer.notify();
  }
}

async function removeEndedJobs({ store, clock, live, options, logger, committer }: TermContext): Promise<void> {
  try {
    const ids = await store.listEndedJobIds(clock.nowMs() - options.jobRetentionMs, JOBS_PER_ROUND);
    // Jobs that memory still holds were run again, or have executions that have not ended.
    for (const id of ids) if (!live.jobs.has(id)) live.changes.removeJob(id);
    await committer.durable();
  } catch (error) {
    if (!(error instanceof DomainError) || error.kind !== "unavailable") throw error;
    logger.warn({ err: error }, "retention is put off");
  }
}

function removeLostNodes({ live, clock, options }: TermContext, lostSince: Map<string, number>): void {
  const nowMs = clock.nowMs();
  for (const [id, { node, executionIds }] of live.nodes) {
    if (node.connection === "connected" || node.membership === "rejected" || executionIds.size > 0) {
      lostSince.delete(id);
      continue;
    }
    const sinceMs = lostSince.get(id) ?? nowMs;
    lostSince.set(id, sinceMs);
    if (nowMs - sinceMs < options.nodeRetentionMs) continue;
    live.nodes.delete(id);
    live.index.remove(id);
    live.changes.removeNode(id);
  }
}

const RETENTION_INTERVAL_MS = 60_000;
const JOBS_PER_ROUND = 1_000;
