import { DomainError, hasReason, isJobEnded, parseExecutionId } from "@skrei/domain";
import type { Execution, ExecutionId, Job } from "@skrei/domain";
import type { StreamLogsRequest, StreamLogsResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { LogQuery } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { executionLog, untilAfter } from "./execution-log.ts";
import { findJob } from "./find-job.ts";
import { mergeStreams } from "./merge-streams.ts";
import type { StreamMerge } from "./merge-streams.ts";
import { executionsOf } from "./executions-of.ts";

/**
 * Output of one execution, or of the newest of each partition. With `follow` it goes on with executions that are placed later and
 * ends with the job. Output that cannot be read does not stop the rest; it is the error at the end.
 */
export async function* streamLogs(
  deps: SchedulerApiDeps,
  request: StreamLogsRequest,
  signal: AbortSignal,
): AsyncGenerator<StreamLogsResponse> {
  checkOffsets(request);
  const job = await findJob(deps.store, request.jobId);
  if (request.executionId !== "") {
    const execution = await findExecution(deps, job, request.executionId);
    return yield* executionLog(deps, queryFor(request, execution.id), signal);
  }
  const merge = mergeStreams<StreamLogsResponse>({ concurrencyMax: CONCURRENCY_MAX, signal });
  const missing: DomainError[] = [];
  const add = (id: ExecutionId): void => merge.add((until) => withoutMissing(executionLog(deps, queryFor(request, id), until), missing));
  const { lastSequence } = await deps.store.eventRange();
  const known = new Set<ExecutionId>();
  for (const id of await newestOfEachPartition(deps, job)) {
    known.add(id);
    add(id);
  }
  const left = new AbortController();
  const followed = request.follow
    ? follow(deps, job, { merge, known, add, lastSequence, signal: AbortSignal.any([signal, left.signal]) })
    : undefined;
  if (followed === undefined) merge.close();
  try {
    yield* merge;
  } finally {
    left.abort();
    await followed;
  }
  if (missing[0] !== undefined) throw missing[0];
}

interface Following {
  readonly merge: StreamMerge<StreamLogsResponse>;
  readonly known: Set<ExecutionId>;
  readonly add: (id: ExecutionId) => void;
  readonly lastSequence: number;
  readonly signal: AbortSignal;
}

/** Adds executions as they are placed; closes the merge when this version of the job has ended. Never rejects. */
async function follow(deps: SchedulerApiDeps, job: Job, following: Following): Promise<void> {
  const { merge, signal } = following;
  let seenByJob = 0;
  let seen = following.lastSequence;
  try {
    while (!signal.aborted) {
      // Read before the events: when it has ended, they have all of its executions.
      const now = await deps.store.getJob(job.id);
      seenByJob = await addPlaced(deps, job, { ...following, after: seenByJob });
      if (now === undefined || now.version !== job.version || isJobEnded(now.state)) return;
      await untilAfter(deps, seen, signal);
      seen = (await deps.store.eventRange()).lastSequence;
    }
  } catch (error) {
    merge.add(() => failing(error));
  } finally {
    merge.close();
  }
}

/** Returns the sequence number of the job's last event. */
async function addPlaced(
  { store }: SchedulerApiDeps,
  job: Job,
  { known, add, after }: Following & { readonly after: number },
): Promise<number> {
  let sequence = after;
  for (;;) {
    const events = await store.listJobEvents(job.id, sequence, EVENTS_A_ROUND);
    sequence = events.at(-1)?.sequence ?? sequence;
    const placed = events.flatMap(({ executionId, type }) =>
      executionId !== undefined && type === PLACED && !known.has(executionId) ? executionId : [],
    );
    for (const id of placed) {
      known.add(id);
      if ((await store.getExecution(id))?.jobVersion === job.version) add(id);
    }
    if (events.length < EVENTS_A_ROUND) return sequence;
  }
}

// eslint-disable-next-line require-yield -- A stream whose only item is its error.
async function* failing(error: unknown): AsyncGenerator<never> {
  throw error;
}

async function* withoutMissing(log: AsyncIterable<StreamLogsResponse>, missing: DomainError[]): AsyncGenerator<StreamLogsResponse> {
  try {
    yield* log;
  } catch (error) {
    if (!hasReason(error, "LOGS_UNAVAILABLE")) throw error;
    missing.push(error);
  }
}

/** In partition order. @throws DomainError invalid/FIELD_REQUIRED for a job of more partitions than anybody can read at once. */
async function newestOfEachPartition({ store }: SchedulerApiDeps, job: Job): Promise<readonly ExecutionId[]> {
  if (job.spec.count > PARTITIONS_MAX) {
    throw new DomainError(
      "invalid",
      "FIELD_REQUIRED",
      `Job ${job.id} has ${job.spec.count} partitions; the output of at most ${PARTITIONS_MAX} can be read at once.`,
      {
        hint: "Name one execution in execution_id.",
      },
    );
  }
  const newest = new Map<number, ExecutionId>();
  for await (const { id, partition, jobVersion } of executionsOf(store, job.id)) {
    if (jobVersion === job.version) newest.set(partition, id);
  }
  return [...newest].toSorted(([a], [b]) => a - b).map(([, id]) => id);
}

async function findExecution({ store }: SchedulerApiDeps, job: Job, text: string): Promise<Execution> {
  const id = parseExecutionId(text);
  const execution = id === undefined ? undefined : await store.getExecution(id);
  if (execution?.jobId === job.id) return execution;
  throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `Job ${job.id} has no execution "${text.slice(0, 80)}".`, {
    hint: "List the executions of the job.",
  });
}

function queryFor({ fromOffsets, tailBytes, follow: isFollowing }: StreamLogsRequest, executionId: ExecutionId): LogQuery {
  const fromOffset = Object.hasOwn(fromOffsets, executionId) ? Number(fromOffsets[executionId]) : 0;
  return { executionId, fromOffset, tailBytes: fromOffset > 0 ? 0 : Number(tailBytes), isFollowing };
}

function checkOffsets({ fromOffsets, tailBytes }: StreamLogsRequest): void {
  if (tailBytes >= 0n && Object.values(fromOffsets).every((offset) => offset >= 0n)) return;
  throw new DomainError("invalid", "FIELD_INVALID", "from_offsets and tail_bytes must not be negative.");
}

/** Streams read from nodes at once for one caller; the rest begin as these end, in partition order. */
const CONCURRENCY_MAX = 32;
const PARTITIONS_MAX = 10_000;
const EVENTS_A_ROUND = 1_000;
const PLACED = "execution.assigned";
