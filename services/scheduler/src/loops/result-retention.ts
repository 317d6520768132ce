import { DomainError } from "@skrei/domain";
import type { Execution, ExecutionId, Job, Pin } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { inTurns } from "../domain/in-turns.ts";
import { keeperOf, ownerOf } from "../domain/keeper.ts";
import { planUnpins } from "../domain/retention-plan.ts";
import type { Clock, ContentStorePort, StateStore } from "../ports.ts";

export interface ResultRetentionParts {
  readonly store: Pick<StateStore, "getExecution" | "getJobs">;
  readonly contentStore: ContentStorePort;
  readonly intervalMs: number;
  readonly uploadRetentionMs: number;
  /** How long ended jobs are known; results of unknown ones are kept for as long. */
  readonly jobRetentionMs: number;
  /** Roots that jobs read which have not ended, as they are at the call. */
  readonly readRoots: () => ReadonlySet<string>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Lets go of what the cluster no longer needs, and holds what jobs wait for. It looks at what is, not at what happened, so that it
 * makes up for everything that was missed; a round twice is a round. A store that is away puts it off.
 */
export async function runResultRetention(parts: ResultRetentionParts): Promise<void> {
  const { clock, logger, signal, intervalMs } = parts;
  let places = new Map<string, string>();
  let isPutOff = false;
  for (;;) {
    await clock.sleep(intervalMs, signal);
    try {
      await reconcile(parts, places);
      if (isPutOff) logger.info({ event: "resultRetention.resumed" }, "results are let go again");
      isPutOff = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof DomainError)) throw error;
      if (!isPutOff) logger.warn({ event: "resultRetention.putOff", err: error }, "letting results go is put off");
      isPutOff = true;
      places = new Map();
    }
  }
}

/** One bounded round. `places` is where the next one goes on, by prefix of owners. */
export async function reconcile(parts: ResultRetentionParts, places: Map<string, string>): Promise<void> {
  await holdReadUploads(parts);
  for (const ownerPrefix of ["execution:", "upload:"]) {
    for (let page = 0; page < PAGES_A_ROUND; page++) {
      const pageToken = places.get(ownerPrefix) ?? "";
      const { pins, nextPageToken } = await parts.contentStore.pins(
        { ownerPrefix, cid: "", pageSize: PINS_A_PAGE, pageToken },
        parts.signal,
      );
      await letGo(parts, pins);
      places.set(ownerPrefix, nextPageToken);
      if (nextPageToken === "") break;
    }
  }
}

/** What a job reads outlasts it by as much as an upload outlasts its arrival. */
async function holdReadUploads({ contentStore, clock, readRoots, uploadRetentionMs, signal }: ResultRetentionParts): Promise<void> {
  const owners = Array.from(readRoots(), (cid) => ownerOf({ kind: "upload", cid }));
  for (let at = 0; at < owners.length; at += OWNERS_A_CALL)
    await contentStore.extend(owners.slice(at, at + OWNERS_A_CALL), clock.nowMs() + uploadRetentionMs, signal);
}

async function letGo(parts: ResultRetentionParts, pins: readonly Pin[]): Promise<void> {
  const { contentStore, clock, logger, readRoots, uploadRetentionMs, jobRetentionMs, signal } = parts;
  const known = await factsOf(parts, pins);
  const owners = planUnpins({ pins, ...known, readRoots: readRoots(), uploadRetentionMs, jobRetentionMs, nowMs: clock.nowMs() });
  if (owners.length === 0) return;
  for (let at = 0; at < owners.length; at += OWNERS_A_CALL) await contentStore.unpin(owners.slice(at, at + OWNERS_A_CALL), signal);
  logger.info({ event: "resultRetention.unpinned", count: owners.length }, "the content store may let data go");
}

interface Facts {
  readonly executions: ReadonlyMap<string, Execution>;
  readonly jobs: ReadonlyMap<string, Job>;
}

async function factsOf({ store, signal }: ResultRetentionParts, pins: readonly Pin[]): Promise<Facts> {
  const ids = new Set<ExecutionId>();
  for (const { owner } of pins) {
    const keeper = keeperOf(owner);
    if (keeper?.kind === "execution") ids.add(keeper.id as ExecutionId);
  }
  const executions = new Map<string, Execution>();
  await inTurns([...ids], LOOKUPS_AT_ONCE, async (id) => {
    signal.throwIfAborted();
    const execution = await store.getExecution(id);
    if (execution !== undefined) executions.set(id, execution);
  });
  const jobIds = [...new Set(Array.from(executions.values(), ({ jobId }) => jobId))];
  const jobs = jobIds.length === 0 ? [] : await store.getJobs(jobIds);
  return { executions, jobs: new Map(jobs.map((job) => [job.id, job])) };
}

/** 10,000 pins of each kind in a round: a store of a million is gone through in less than two hours. */
const PAGES_A_ROUND = 20;
const PINS_A_PAGE = 500;
/** The contract's limit. */
const OWNERS_A_CALL = 1_000;
const LOOKUPS_AT_ONCE = 16;
