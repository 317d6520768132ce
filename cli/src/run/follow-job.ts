import { setTimeout as sleep } from "node:timers/promises";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { cleanLine } from "../output/clean-text.ts";
import { createLiveLine } from "../output/live-line.ts";
import { createOutputWriter } from "../output/output-writer.ts";
import type { OutputWriter } from "../output/output-writer.ts";
import { createPrefixedWriter, partPrefix } from "../output/prefixed-writer.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { isEnded } from "./job-words.ts";
import { listExecutions, newestByPartition } from "./list-executions.ts";
import { readNodeNames } from "./node-names.ts";
import { printOutputs } from "./print-outputs.ts";
import type { OutputWriters } from "./print-outputs.ts";
import { createProgressLines } from "./progress-lines.ts";
import { summarizeTransfers } from "./transfer-words.ts";
import { watchJob } from "./watch-job.ts";

export interface FollowOptions {
  readonly isRaw: boolean;
  readonly isQuiet: boolean;
}

export interface Followed {
  readonly job: Job;
  readonly executions: readonly Execution[];
  /** The last lines that the job wrote to stderr. */
  readonly lastErrors: readonly string[];
  /** The job stayed without any node that could ever run it. */
  readonly isUnplaceable: boolean;
}

/** A state of an execution changes without a change of its job, so that is looked at this often. */
const LOOK_INTERVAL_MS = 250;
const EXECUTIONS_MAX = 10_000;
/** Nodes may be joining; a job that nothing can run is given up after this time. */
const UNPLACEABLE_AFTER_MS = 3_000;
const LAST_ERRORS = 3;

/** Shows a job's life on stderr and its output on stdout until it ends. Aborting the session's signal leaves, and leaves the job. */
export async function followJob(session: Session, first: Job, options: FollowOptions): Promise<Followed> {
  const { terminal } = session;
  await using stack = new AsyncDisposableStack();
  const left = new AbortController();
  stack.defer(() => {
    left.abort();
  });
  const signal = AbortSignal.any([session.signal, left.signal]);
  const live = createLiveLine(terminal.stderr, () => performance.now());
  stack.defer(() => live.clear());
  const lines = createProgressLines();
  const nodeNames = await readNodeNames(session);
  const tail = createTail();
  const feed = createFeed();
  let job = first;
  let executions: readonly Execution[] = [];
  let impossibleSinceMs: number | undefined;

  const note = (line: string): Promise<void> => live.clear().then(() => say(terminal, terminal.stderr.style("dim", cleanLine(line))));
  const isGivenUp = (): boolean => impossibleSinceMs !== undefined && performance.now() - impossibleSinceMs >= UNPLACEABLE_AFTER_MS;
  const look = async (): Promise<void> => {
    executions = await listExecutions(session, job.jobId, { limit: EXECUTIONS_MAX, signal });
    const snapshot = { job, executions: executions.filter(({ jobVersion }) => jobVersion === job.version), nodeNames, nowMs: Date.now() };
    feed.set(newestByPartition(snapshot.executions), isEnded(job));
    if (isGivenUp()) left.abort();
    if (options.isQuiet) return;
    for (const line of lines.update(snapshot)) await note(line);
    // Without a terminal only what moves is told of again and again.
    if (!isEnded(job) && (terminal.stderr.isTty || summarizeTransfers(executions).length > 0)) live.show(() => lines.summary(snapshot));
  };
  const count = job.spec?.count ?? 1;
  const clear = (): Promise<void> => live.clear();
  const printing = printOutputs(
    {
      session,
      jobId: job.jobId,
      count,
      writersOf: writersFor(session, { count, options, tail, clear }),
      isLive: terminal.stdout.isTty,
      signal,
      note,
    },
    feed,
  );
  // Awaited below; until then a failure must not count as unhandled.
  printing.catch(() => undefined);
  const looking = lookRegularly(look, signal);
  try {
    for await (const next of watchJob(session, job.jobId, { signal })) {
      job = next;
      impossibleSinceMs = job.waiting?.impossible === true ? (impossibleSinceMs ?? performance.now()) : undefined;
    }
  } catch (error) {
    if (session.signal.aborted || !isGivenUp()) throw error;
    return { job, executions, lastErrors: [], isUnplaceable: true };
  }
  await look();
  await printing;
  left.abort();
  await looking;
  return { job, executions, lastErrors: tail.lines(), isUnplaceable: false };
}

/** What several parts write at once shows whose each line is; a pipe gets one part after the other, the bytes as they are. */
function writersFor(
  { terminal }: Session,
  given: { readonly count: number; readonly options: FollowOptions; readonly tail: Tail; clear(): Promise<void> },
): (partition: number) => OutputWriters {
  const { count, options, tail, clear } = given;
  const isPrefixed = count > 1 && terminal.stdout.isTty && !options.isRaw;
  const clearing = (writer: OutputWriter): OutputWriter => ({ ...writer, write: (data) => clear().then(() => writer.write(data)) });
  const shared = {
    stdout: clearing(createOutputWriter(terminal.stdout, options)),
    stderr: clearing(createOutputWriter(terminal.stderr, options)),
  };
  return (partition) => {
    const prefix = partPrefix(partition, count);
    const writer = (name: "stdout" | "stderr"): OutputWriter =>
      isPrefixed ? createPrefixedWriter(terminal[name], { prefix, beforeWrite: clear }) : shared[name];
    return { stdout: writer("stdout"), stderr: tail.around(writer("stderr")) };
  };
}

async function lookRegularly(look: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(LOOK_INTERVAL_MS, undefined, { signal });
      await look();
    } catch {
      // The watch beside this reports what is wrong with the connection, and ends when it stays lost.
    }
  }
}

interface Feed {
  newest(): ReadonlyMap<number, Execution>;
  hasJobEnded(): boolean;
  changed(): Promise<void>;
  set(newest: ReadonlyMap<number, Execution>, hasEnded: boolean): void;
}

function createFeed(): Feed {
  let newest: ReadonlyMap<number, Execution> = new Map();
  let hasEnded = false;
  let next = Promise.withResolvers<void>();
  return {
    newest: () => newest,
    hasJobEnded: () => hasEnded,
    changed: () => next.promise,
    set(map, ended) {
      newest = map;
      hasEnded ||= ended;
      next.resolve();
      next = Promise.withResolvers<void>();
    },
  };
}

interface Tail {
  around(writer: OutputWriter): OutputWriter;
  lines(): readonly string[];
}

/** Keeps the end of what passes. */
function createTail(): Tail {
  const KEPT_LENGTH = 4_096;
  let kept = "";
  const decoder = new TextDecoder();
  return {
    around: (writer) => ({
      ...writer,
      write(data) {
        kept = (kept + decoder.decode(data, { stream: true })).slice(-KEPT_LENGTH);
        return writer.write(data);
      },
    }),
    lines: () =>
      kept
        .split("\n")
        .map(cleanLine)
        .filter((line) => line.trim() !== "")
        .slice(-LAST_ERRORS),
  };
}
