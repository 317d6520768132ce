import { isExecutionEnded } from "@skrei/domain";
import type { Execution, Job, Pin } from "@skrei/domain";
import { type Keeper, keeperOf } from "./keeper.ts";
import { resultExpiresAtMs } from "./result-expiry.ts";

/** What is known of the pins of one page. */
export interface RetentionFacts {
  readonly pins: readonly Pin[];
  /** Those of the pins' owners that the state store has, and their jobs. */
  readonly executions: ReadonlyMap<string, Execution>;
  readonly jobs: ReadonlyMap<string, Job>;
  /** Roots that jobs read which have not ended. */
  readonly readRoots: ReadonlySet<string>;
  readonly uploadRetentionMs: number;
  /** How long ended jobs are known. */
  readonly jobRetentionMs: number;
  readonly nowMs: number;
}

/** Owners whose pins end: nothing that the cluster knows needs them. Named pins end only by their own time or by a person. */
export function planUnpins({ pins, ...facts }: RetentionFacts): readonly string[] {
  const owners = new Map<string, boolean>();
  for (const pin of pins) {
    const keeper = keeperOf(pin.owner);
    const mayGo = facts.nowMs - pin.createdAtMs >= PIN_AGE_MS_MIN && isUnneeded(pin, keeper, facts);
    // One owner's pins end together, so the youngest of them decides.
    owners.set(pin.owner, mayGo && owners.get(pin.owner) !== false);
  }
  return [...owners].filter(([, mayGo]) => mayGo).map(([owner]) => owner);
}

function isUnneeded(pin: Pin, keeper: Keeper | undefined, facts: Omit<RetentionFacts, "pins">): boolean {
  if (keeper?.kind === "execution") return isResultUnneeded(pin, keeper.id, facts);
  if (keeper?.kind !== "upload") return false;
  // One with an end of its own goes by itself, and is extended while it is read.
  return pin.expiresAtMs === undefined && facts.nowMs - pin.createdAtMs >= facts.uploadRetentionMs && !facts.readRoots.has(pin.cid);
}

/**
 * A result comes before its job ends, so what the state store has forgotten by itself is always older than that. A younger one means
 * that the state store lost data, and bytes that nobody can bring back must not follow it at once.
 */
function isResultUnneeded(pin: Pin, id: string, { executions, jobs, jobRetentionMs, nowMs }: Omit<RetentionFacts, "pins">): boolean {
  const execution = executions.get(id);
  const job = execution === undefined ? undefined : jobs.get(execution.jobId);
  if (execution === undefined || job === undefined) return nowMs - pin.createdAtMs >= jobRetentionMs;
  if (!isExecutionEnded(execution.state)) return false;
  const expiresAtMs = resultExpiresAtMs(job);
  return expiresAtMs !== undefined && expiresAtMs <= nowMs;
}

/** A result may be pinned before its report is durable, and an upload before its job is submitted. */
const PIN_AGE_MS_MIN = 3_600_000;
