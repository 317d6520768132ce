import type { Job, JobId } from "@skrei/domain";
import { indexedPart, matchesJobFilter } from "../domain/job-filter.ts";
import type { JobFilter } from "../domain/job-filter.ts";
import type { JobQuery, StateStore } from "../ports.ts";

export interface MatchingJobs {
  /** Newest first. */
  readonly jobs: readonly Job[];
  /** Where to go on; undefined at the end. */
  readonly before: JobId | undefined;
}

/**
 * Up to `limit` jobs that match, older than `before`. States and namespace come from the store's indexes; for the rest at most
 * `scannedMax` jobs are looked at, so a page may be short although more follow.
 */
export async function listMatchingJobs(
  store: StateStore,
  filter: JobFilter,
  page: { before: JobId | undefined; limit: number },
): Promise<MatchingJobs> {
  const { states, namespace, idPrefix, isEmpty } = indexedPart(filter);
  if (isEmpty || (idPrefix !== undefined && !ID_PREFIX.test(idPrefix))) return { jobs: [], before: undefined };
  const ids = idPrefix === undefined ? undefined : await store.findJobIds(idPrefix, BATCH);
  if (ids !== undefined && ids.length < BATCH) return listAmong(store, filter, { ...page, ids });
  return scan(store, filter, { ...page, states, namespace });
}

async function scan(store: StateStore, filter: JobFilter, query: JobQuery): Promise<MatchingJobs> {
  const jobs: Job[] = [];
  let before = query.before;
  for (let scanned = 0; scanned < SCANNED_MAX && jobs.length < query.limit;) {
    const limit = Math.min(BATCH, Math.max(query.limit - jobs.length, scanned));
    const batch = await store.listJobs({ ...query, before, limit });
    const matching = batch.filter((job) => matchesJobFilter(filter, job));
    const taken = matching.slice(0, query.limit - jobs.length);
    jobs.push(...taken);
    scanned += batch.length;
    const isWholeBatchUsed = taken.length === matching.length;
    if (isWholeBatchUsed && batch.length < limit) return { jobs, before: undefined };
    before = (isWholeBatchUsed ? batch : taken).at(-1)?.id;
  }
  return { jobs, before };
}

async function listAmong(
  store: StateStore,
  filter: JobFilter,
  page: { before: JobId | undefined; limit: number; ids: readonly JobId[] },
): Promise<MatchingJobs> {
  const older = page.ids.filter((id) => page.before === undefined || id < page.before);
  const matching = (await store.getJobs(older)).filter((job) => matchesJobFilter(filter, job)).toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const jobs = matching.slice(0, page.limit);
  return { jobs, before: matching.length > jobs.length ? jobs.at(-1)?.id : undefined };
}

/** Nothing else begins an id, so nothing else is handed to the store. */
const ID_PREFIX = /^(?:j|j-[0-9a-hjkmnp-tv-z]{0,26})$/u;
const BATCH = 1_000;
/** One call looks at no more jobs, so that a filter without a match costs bounded work. */
const SCANNED_MAX = 20_000;
