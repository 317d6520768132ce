import type { Job } from "@skrei/domain";
import { ownerOf } from "../domain/keeper.ts";
import { resultExpiresAtMs } from "../domain/result-expiry.ts";
import type { SchedulerApiDeps } from "./deps.ts";

/**
 * Keeps what a new job reads of an ended one as if it had been uploaded for it, when the ended one's result would go soon: the new job
 * may wait for longer than that.
 */
export async function holdOutput(
  { contentStore, config, clock }: SchedulerApiDeps,
  { job, cid }: { readonly job: Job; readonly cid: string },
  signal: AbortSignal,
): Promise<void> {
  const heldUntilMs = clock.nowMs() + config.uploadRetentionMs;
  const endsAtMs = resultExpiresAtMs(job) ?? (job.endedAtMs ?? clock.nowMs()) + config.jobRetentionMs;
  if (contentStore === undefined || endsAtMs >= heldUntilMs) return;
  await contentStore.pin({ cid, owner: ownerOf({ kind: "upload", cid }), expiresAtMs: heldUntilMs }, signal);
}
