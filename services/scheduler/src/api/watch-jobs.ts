import { create } from "@bufbuild/protobuf";
import { DomainError, LIMITS } from "@skrei/domain";
import type { Job, JobEvent, JobId } from "@skrei/domain";
import { WatchJobsResponseSchema } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { WatchJobsRequest, WatchJobsResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { jobToProto } from "@skrei/wire/job.ts";
import { matchesJobFilter, parseJobFilter } from "../domain/job-filter.ts";
import type { JobFilter } from "../domain/job-filter.ts";
import type { StateStore } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { listMatchingJobs } from "./matching-jobs.ts";
import { cursorOf, pageTokenFor, parseSequence } from "./page.ts";
import { pause, waitAtMost } from "./wait.ts";

/**
 * Snapshot, `synced`, then changes. Pulled by the reader: while it does not read, nothing is read from the store for it, and when
 * it reads again it gets each changed job once, as it is then. So a slow reader costs no memory.
 */
export async function* watchJobs(
  deps: SchedulerApiDeps,
  request: WatchJobsRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchJobsResponse> {
  const watch: Watch = { store: deps.store, filter: parseJobFilter(request.filter), scope: ["watch-jobs", request.filter] };
  let position = resumeAt(watch, request.resumeToken);
  if (position === undefined) {
    // Read before the jobs: what changes in between is sent twice rather than never.
    position = await endOfLog(watch.store);
    yield* snapshot(watch, snapshotSizeOf(request.snapshotSize), position);
  } else {
    await checkRetained(watch.store, position);
    await checkSameLog(watch.store, position);
    yield await synced(watch, position);
  }
  for (;;) {
    const wasWoken = await waitAtMost(HEARTBEAT_MS, { clock: deps.clock, signal }, (until) =>
      watch.store.waitForEvents(position?.sequence ?? 0, until),
    );
    if (signal.aborted) return;
    if (!wasWoken) {
      yield create(WatchJobsResponseSchema, { resumeToken: tokenFor(watch, position) });
      continue;
    }
    // Changes of a burst become one message a job.
    await pause(COALESCE_MS, { clock: deps.clock, signal });
    if (signal.aborted) return;
    position = yield* changes(watch, position);
  }
}

/** Where a reader is in the log. The time tells the event from one of the same number in another log. */
interface Position {
  readonly sequence: number;
  readonly atMs: number;
}

interface Watch {
  readonly store: StateStore;
  readonly filter: JobFilter;
  readonly scope: readonly string[];
}

async function* snapshot(watch: Watch, size: number, position: Position): AsyncGenerator<WatchJobsResponse> {
  let before: JobId | undefined;
  let left = size;
  for (let pages = 0; left > 0 && pages < PAGES_MAX; pages++) {
    const page = await listMatchingJobs(watch.store, watch.filter, { before, limit: Math.min(left, BATCH) });
    if (page.jobs.length > 0) yield create(WatchJobsResponseSchema, { jobs: page.jobs.map(jobToProto) });
    left -= page.jobs.length;
    before = page.before;
    if (before === undefined) break;
  }
  yield await synced(watch, position);
}

async function synced(watch: Watch, position: Position): Promise<WatchJobsResponse> {
  const totalSize = BigInt(await watch.store.countJobs());
  return create(WatchJobsResponseSchema, { synced: { totalSize }, resumeToken: tokenFor(watch, position) });
}

/** Everything after `after` that is there now, in rounds of bounded size. Returns where it ended. */
async function* changes(watch: Watch, after: Position): AsyncGenerator<WatchJobsResponse, Position> {
  let position = after;
  for (;;) {
    await checkRetained(watch.store, position);
    const events = await watch.store.listEvents(position.sequence, EVENTS_A_ROUND);
    position = events.at(-1) ?? position;
    const ids = [...new Set(events.flatMap(({ jobId }) => jobId ?? []))];
    for (let from = 0; from < ids.length; from += BATCH) {
      const batch = ids.slice(from, from + BATCH);
      // Only the last part of a round may move the reader on.
      const isLast = from + BATCH >= ids.length;
      yield changesOf(watch, batch, {
        jobs: await watch.store.getJobs(batch),
        resumeToken: isLast ? tokenFor(watch, position) : "",
      });
    }
    if (events.length < EVENTS_A_ROUND) return position;
  }
}

/** Jobs that do not match are named as removed, whether the reader knew them or not: the server keeps no list of what it sent. */
function changesOf(
  watch: Watch,
  ids: readonly JobId[],
  { jobs, resumeToken }: { readonly jobs: readonly Job[]; readonly resumeToken: string },
): WatchJobsResponse {
  const matching = jobs.filter((job) => matchesJobFilter(watch.filter, job));
  const matchingIds = new Set(matching.map(({ id }) => id));
  return create(WatchJobsResponseSchema, {
    jobs: matching.map(jobToProto),
    removedJobIds: ids.filter((id) => !matchingIds.has(id)),
    resumeToken,
  });
}

async function endOfLog(store: StateStore): Promise<Position> {
  const { lastSequence: sequence } = await store.eventRange();
  return { sequence, atMs: (await eventAt(store, sequence))?.atMs ?? 0 };
}

/** Undefined when retention took it, or nothing has happened yet. */
async function eventAt(store: StateStore, sequence: number): Promise<JobEvent | undefined> {
  const [event] = await store.listEvents(sequence - 1, 1);
  return event?.sequence === sequence ? event : undefined;
}

function tokenFor({ scope }: Watch, { sequence, atMs }: Position): string {
  return pageTokenFor(scope, `${sequence}.${atMs}`);
}

function parsePosition(text: string): Position | undefined {
  const [sequence, atMs] = text.split(".").map(parseSequence);
  return sequence === undefined || atMs === undefined ? undefined : { sequence, atMs };
}

function resumeAt({ scope }: Watch, token: string): Position | undefined {
  try {
    return cursorOf(scope, token, parsePosition);
  } catch (error) {
    throw expired("The resume token belongs to another filter or another cluster", error);
  }
}

/** A state that was lost and began anew may have as many events, and other jobs. */
async function checkSameLog(store: StateStore, { sequence, atMs }: Position): Promise<void> {
  const event = atMs === 0 ? undefined : await eventAt(store, sequence);
  if (event !== undefined && event.atMs !== atMs) throw expired(`The resume token points to event ${sequence} of another log`);
}

async function checkRetained(store: StateStore, { sequence }: Position): Promise<void> {
  const { firstSequence, lastSequence } = await store.eventRange();
  const isRetained = sequence <= lastSequence && (sequence === lastSequence || sequence + 1 >= firstSequence);
  if (isRetained) return;
  throw expired(`The resume token points to event ${sequence}; the log has ${firstSequence} to ${lastSequence}`);
}

function expired(what: string, cause?: unknown): DomainError {
  return new DomainError("precondition", "RESUME_TOKEN_EXPIRED", `${what}.`, { hint: "Watch again without a token.", cause });
}

function snapshotSizeOf(requested: number): number {
  if (requested === 0) return SNAPSHOT_DEFAULT;
  if (requested > 0 && requested <= LIMITS.watchSnapshotMax) return requested;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `snapshot_size is ${requested}; allowed are 1 to ${LIMITS.watchSnapshotMax}, or 0 for ${SNAPSHOT_DEFAULT}.`,
  );
}

const SNAPSHOT_DEFAULT = 1_000;
const BATCH = 500;
/** A full snapshot has 20; a filter that hardly anything matches costs no more than that. */
const PAGES_MAX = 25;
const EVENTS_A_ROUND = 1_000;
const HEARTBEAT_MS = 5_000;
const COALESCE_MS = 100;
