import { DomainError } from "@skrei/domain";
import type { Pin } from "@skrei/domain";
import { contentStoreOf } from "./content-store-of.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { isKept } from "./kept-data.ts";

/**
 * Why the store keeps a root, the first 1,000 reasons.
 * @throws DomainError notFound/RESULT_NOT_FOUND when there is none, precondition/FEATURE_NOT_AVAILABLE.
 */
export async function findKept(deps: SchedulerApiDeps, cid: string, signal: AbortSignal): Promise<readonly Pin[]> {
  const { pins } = await contentStoreOf(deps).pins({ ownerPrefix: "", cid, pageSize: PINS_MAX, pageToken: "" }, signal);
  const kept = pins.filter((pin) => isKept(pin, deps.clock.nowMs()));
  if (kept.length > 0) return kept;
  const ended = pins.reduce((latest, { expiresAtMs = 0 }) => Math.max(latest, expiresAtMs), 0);
  const why = ended === 0 ? "" : `: it expired at ${new Date(ended).toISOString()}`;
  throw new DomainError("notFound", "RESULT_NOT_FOUND", `The cluster's store does not keep ${cid.slice(0, 128)}${why}.`, {
    hint: "List the data to see what it keeps; only whole results, uploads and pinned data count.",
  });
}

const PINS_MAX = 1_000;
