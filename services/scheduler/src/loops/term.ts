import { isExecutionEnded, isJobEnded, NO_NODE_NETWORK } from "@skrei/domain";
import type { Execution, Job, Node, NodeId } from "@skrei/domain";
import { readRootsOf } from "../domain/read-roots.ts";
import type { LiveState as StoredState } from "../ports.ts";
import { Assigner } from "./assigner.ts";
import { Committer } from "./committer.ts";
import { DeadlineLoop } from "./deadline-loop.ts";
import { LiveState } from "./live-state.ts";
import { watchSilence } from "./node-commands.ts";
import type { Broadcast } from "./notifier.ts";
import { Placer } from "./placer.ts";
import { refreshJob, watchDeadlines, watchExecution } from "./progress.ts";
import { runResultRetention } from "./result-retention.ts";
import { runRetention } from "./retention.ts";
import type { LeaderParts, TermContext } from "./term-context.ts";

/** Loads the memory of a new term and makes its parts; nothing runs yet. */
export async function openTerm(
  parts: LeaderParts,
  options: { term: number; signal: AbortSignal; nodesChanged: Broadcast; usesChanged: Broadcast },
): Promise<TermContext> {
  const { term, signal, nodesChanged, usesChanged } = options;
  const { store, clock, logger } = parts;
  const stored = await store.loadLive();
  const live = new LiveState({ term, lastSequence: stored.lastSequence, nowMs: () => clock.nowMs() });
  const placer = new Placer();
  const assigner = new Assigner();
  const committer = new Committer({
    store,
    term,
    changes: live.changes,
    clock,
    onRetry: (error, attempt) => logger.warn({ err: error, attempt }, "store did not answer, committing again"),
    onCommitted: (change) => {
      for (const node of assigner.take(change.executions)) assigner.flush(node);
      for (const { id } of change.jobs) {
        const entry = live.jobs.get(id);
        if (entry !== undefined) placer.enqueue(entry);
      }
      if (live.networked.take(change.executions)) usesChanged.notify();
      // What a node holds changes with an event; without one it was a count of network use, which come all the time.
      if (change.nodes.length > 0 || change.events.some(({ executionId }) => executionId !== undefined)) nodesChanged.notify();
    },
  });
  const deadlines = new DeadlineLoop(clock, () => committer.notify());
  const context: TermContext = { ...parts, term, live, committer, deadlines, placer, assigner, nodesChanged, usesChanged, signal };
  placer.attach(context);
  assigner.attach(context);
  await restore(context, stored);
  return context;
}

/** Runs the loops of the term until its signal is aborted or one of them fails; rejects with why. */
export async function runTerm(term: TermContext): Promise<void> {
  const { signal, committer, deadlines, placer } = term;
  sweepAgain(term);
  for (const entry of term.live.jobs.values()) placer.enqueue(entry);
  committer.notify();
  placer.wake();
  await Promise.all([committer.run(signal), deadlines.run(signal), placer.run(signal), runRetention(term), letResultsGo(term)]);
}

async function letResultsGo({ resultRetention, options, store, live, clock, logger, signal }: TermContext): Promise<void> {
  if (resultRetention === undefined) return;
  const readRoots = (): ReadonlySet<string> => readRootsOf(jobsOf(live));
  await runResultRetention({ ...resultRetention, jobRetentionMs: options.jobRetentionMs, store, clock, logger, signal, readRoots });
}

function* jobsOf({ jobs }: LiveState): Generator<Job> {
  for (const { job } of jobs.values()) yield job;
}

async function restore(term: TermContext, stored: StoredState): Promise<void> {
  const { live, store, randomness } = term;
  for (const node of stored.nodes) watchSilence(term, live.addNode(ofThisVersion(node)));
  const known = new Set(stored.jobs.map(({ id }) => id));
  const endedJobIds = [...new Set(stored.executions.map(({ jobId }) => jobId))].filter((id) => !known.has(id));
  const jobs = [...stored.jobs, ...(await store.getJobs(endedJobIds))].sort(
    (a, b) => a.submittedAtMs - b.submittedAtMs || (a.id < b.id ? -1 : 1),
  );
  const executionsByJob = Map.groupBy(stored.executions, ({ jobId }) => jobId);
  for (const job of jobs) {
    const entry = live.addJob(job);
    const executions = [...(executionsByJob.get(job.id) ?? [])].sort((a, b) => a.attempt - b.attempt);
    const current = executions.filter(({ jobVersion }) => jobVersion === job.version);
    entry.table.restore(current, randomness.random);
    entry.hasStarted = current.some(({ state, startedAtMs }) => startedAtMs !== undefined || state === "running");
    for (const execution of executions) if (!isExecutionEnded(execution.state)) live.holdExecution(execution, false);
    if (isJobEnded(job.state)) continue;
    watchDeadlines(term, entry);
    for (const execution of current) if (execution.state === "running") watchExecution(term, entry, execution);
    refreshJob(term, entry);
  }
  live.networked.take(stored.executions);
  tellAgain(term);
}

/** A record of an earlier version lacks what that did not know. */
function ofThisVersion(node: Node): Node {
  return { ...node, network: { ...NO_NODE_NETWORK, ...(node as Partial<Node>).network } };
}

/** After a change of leader every node hears the complete set. */
function tellAgain(term: TermContext): void {
  const byNode = Map.groupBy(term.live.executions.values(), ({ nodeId }): NodeId => nodeId);
  for (const [nodeId, node] of term.live.nodes) term.assigner.restore(node, byNode.get(nodeId) ?? NO_EXECUTIONS);
}

/** A safety net only: if every wake-up were forgotten, this would still bring all work forward. */
function sweepAgain(term: TermContext): void {
  const { live, placer, assigner, deadlines, options, nodesChanged } = term;
  deadlines.after(options.sweepIntervalMs, () => {
    live.queue.wakeAll();
    live.queue.dropEmptyClasses(CLASSES_MAX);
    live.index.dropUnusedShapes(SHAPES_MAX, live.queue.usedShapes());
    const isSmall = live.jobs.size <= SWEPT_JOBS_MAX;
    if (isSmall) for (const entry of live.jobs.values()) placer.enqueue(entry);
    for (const node of live.nodes.values()) assigner.flush(node);
    placer.wake();
    nodesChanged.notify();
    sweepAgain(term);
  });
}

const NO_EXECUTIONS: readonly Execution[] = [];
const CLASSES_MAX = 10_000;
const SHAPES_MAX = 1_000;
/** Jobs beyond this are reached by events alone. */
const SWEPT_JOBS_MAX = 50_000;
