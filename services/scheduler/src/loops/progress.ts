import { isExecutionEnded, isJobEnded, timesFitting } from "@skrei/domain";
import type { Execution, Failure } from "@skrei/domain";
import { loseExecution } from "../domain/apply-report.ts";
import { finalDenials, firstDenials } from "../domain/egress-denials.ts";
import type { EgressDenial } from "../domain/egress-denials.ts";
import { failJob, progressJob } from "../domain/job-progress.ts";
import { isLasting } from "../domain/lasting-reasons.ts";
import {
  executionDeadlineMs,
  executionTimeoutFailure,
  queueDeadlineMs,
  queueTimeoutFailure,
  STOP_GRACE_MS,
  totalDeadlineMs,
  totalTimeoutFailure,
} from "../domain/timeouts.ts";
import type { Deadline } from "../domain/deadlines.ts";
import type { EventDetails, JobEntry, NodeEntry } from "./live-state.ts";
import type { TermContext } from "./term-context.ts";

/** Takes over an execution's next observed state, and what follows for its partition and job. */
export function moveExecution(term: TermContext, before: Execution, after: Execution, details: EventDetails = {}): void {
  const { live } = term;
  noteUse(term, before, after);
  // Before the move, so that an execution's end stays the last that is told of it.
  if (isExecutionEnded(after.state)) addDenials(term, before, finalDenials(after));
  live.changes.addEvent({
    type: `execution.${after.state}`,
    jobId: after.jobId,
    executionId: after.id,
    nodeId: after.nodeId,
    partition: after.partition,
    from: before.state,
    to: after.state,
    ...(after.failure && { reason: after.failure.reason, message: after.failure.message }),
    ...details,
  });
  addDelay(term, before, after);
  const entry = live.jobs.get(after.jobId);
  if (entry === undefined) return;
  if (after.state === "running" || after.startedAtMs !== undefined) noteStarted(term, entry, after);
  // Its task is over: a result may wait for its target for longer than the task may run.
  if (after.state === "publishing") unwatchExecution(term, after);
  if (isExecutionEnded(after.state)) endExecution(term, entry, after);
}

/** Takes over what is new of an execution that did not move. Concerns those who look at it, and who waits for its room. */
export function noteObserved(term: TermContext, before: Execution, after: Execution): void {
  noteUse(term, before, after);
  addDelay(term, before, after);
}

function noteUse(term: TermContext, before: Execution, after: Execution): void {
  term.live.setExecution(after);
  const freed = term.live.freeRoom(after);
  if (freed !== undefined) noteFreed(term, freed);
  addDenials(term, before, firstDenials(before.networkUse, after.networkUse));
}

/** Gives up an execution whose node is gone or no longer has it. */
export function loseFromNode(term: TermContext, execution: Execution, failure: Failure): void {
  moveExecution(term, execution, loseExecution(execution, failure, term.clock.nowMs()));
  // Its node is told by a complete set that it shall not hold it.
  term.live.nodes.get(execution.nodeId)?.chain.reset();
}

/** Asks the node to end the execution. */
function stopExecution(term: TermContext, execution: Execution, details: EventDetails & { failure?: Failure }): void {
  if (execution.desired === "stop") return;
  const { failure, ...event } = details;
  term.live.setExecution({ ...execution, desired: "stop", ...(failure && { failure }) });
  const { id: executionId, jobId, nodeId, partition, state } = execution;
  term.live.changes.addEvent({ type: "execution.stopping", jobId, executionId, nodeId, partition, from: state, to: state, ...event });
}

/** Moves the job to the state that follows from its partitions. */
export function refreshJob(term: TermContext, entry: JobEntry): void {
  const before = entry.job;
  const after = progressJob(before, entry.table, term.clock.nowMs());
  if (
    isJobEnded(before.state) ||
    (after.state === before.state && isSameCounts(before.partitions, after.partitions) && after.waiting === before.waiting)
  )
    return;
  term.live.setJob(entry, after);
  if (after.state !== before.state) addJobEvent(term, entry, before.state, after.failure);
  if (isJobEnded(after.state)) settleEndedJob(term, entry);
}

export function addJobEvent(term: TermContext, { job }: JobEntry, from: string | undefined, details: EventDetails = {}): void {
  const { reason, message } = details;
  const event = { type: `job.${job.state}`, jobId: job.id, to: job.state, ...(from !== undefined && { from }) };
  term.live.changes.addEvent({ ...event, ...(reason !== undefined && { reason }), ...(message !== undefined && { message }) });
}

/** Nothing more is placed, what runs is stopped; the entry is forgotten when the last execution has ended. */
export function settleEndedJob(term: TermContext, entry: JobEntry): void {
  term.live.queue.remove(entry.queued);
  for (const deadline of entry.deadlines) term.deadlines.cancel(deadline);
  for (const id of entry.executionIds) {
    const execution = term.live.executions.get(id);
    if (execution !== undefined)
      stopExecution(term, execution, { reason: entry.job.failure?.reason ?? "STOPPED_BY_USER", message: `The job is ${entry.job.state}.` });
  }
  forgetWhenSettled(term, entry);
}

/** Arms the limits of the job's current version. */
export function watchDeadlines(term: TermContext, entry: JobEntry): void {
  const { version } = entry.job;
  const queueMs = queueDeadlineMs(entry.job);
  const totalMs = totalDeadlineMs(entry.job);
  const armed: Deadline[] = [];
  const arm = (atMs: number | undefined, failure: () => Failure | undefined): void => {
    if (atMs !== undefined) armed.push(term.deadlines.at(atMs, () => expireJob(term, entry, { version, failure: failure() })));
  };
  arm(queueMs, () => (entry.hasStarted ? undefined : queueTimeoutFailure(entry.job)));
  arm(totalMs, () => totalTimeoutFailure(entry.job));
  entry.deadlines = armed;
}

/** Arms the limit of an execution that runs; its node enforces it, this is for a node that does not. */
export function watchExecution(term: TermContext, entry: JobEntry, { id }: Execution): void {
  const { live, deadlines, clock } = term;
  const atMs = executionDeadlineMs(entry.job, clock.nowMs());
  if (atMs === undefined || live.executionDeadlines.has(id)) return;
  const stop = (): void => {
    const execution = live.executions.get(id);
    if (execution === undefined) return;
    const failure = executionTimeoutFailure(entry.job, execution);
    stopExecution(term, execution, { reason: failure.reason, message: failure.message, failure });
    live.executionDeadlines.set(
      id,
      deadlines.after(STOP_GRACE_MS, () => giveUp(failure)),
    );
  };
  const giveUp = (failure: Failure): void => {
    const execution = live.executions.get(id);
    if (execution === undefined) return;
    loseFromNode(term, execution, failure);
    refreshJob(term, entry);
  };
  live.executionDeadlines.set(id, deadlines.at(atMs, stop));
}

function unwatchExecution({ live, deadlines }: TermContext, { id }: Execution): void {
  deadlines.cancel(live.executionDeadlines.get(id));
  live.executionDeadlines.delete(id);
}

function addDenials(term: TermContext, execution: Execution, denials: readonly EgressDenial[]): void {
  const { id: executionId, jobId, nodeId, partition, state } = execution;
  for (const denial of denials)
    term.live.changes.addEvent({
      type: "execution.egress_denied",
      jobId,
      executionId,
      nodeId,
      partition,
      from: state,
      to: state,
      ...denial,
    });
}

/** Data that waits is told of once for each reason, however often it goes on and waits again. */
function addDelay({ live }: TermContext, before: Execution, after: Execution): void {
  const { id: executionId, jobId, nodeId, partition, state, transfer } = after;
  const waiting = transfer?.waiting;
  // After a change of leader nobody remembers what was told but the execution itself.
  if (waiting === undefined || before.transfer?.waiting?.reason === waiting.reason || !live.noteDelay(executionId, waiting.reason)) return;
  const { reason, message } = waiting;
  live.changes.addEvent({ type: "execution.delayed", jobId, executionId, nodeId, partition, from: state, to: state, reason, message });
}

/** Frees capacity on the books and wakes who waits for it. */
export function noteFreed(term: TermContext, node: NodeEntry): void {
  term.live.queue.wake(node.slot, term.live.index);
  term.placer.wakeRefused(node, (reason) => reason === "CAPACITY_BUSY" || reason === "BID_TIMED_OUT");
  term.placer.wake();
}

function endExecution(term: TermContext, entry: JobEntry, execution: Execution): void {
  const { live } = term;
  const node = live.nodes.get(execution.nodeId);
  live.dropExecution(execution);
  unwatchExecution(term, execution);
  if (execution.jobVersion === entry.job.version && !isJobEnded(entry.job.state)) {
    const ended = entry.table.end(execution, {
      random: term.randomness.random(),
      nowMs: term.clock.nowMs(),
      fittingNodes: () => countFitting(term, entry),
    });
    if (ended.outcome === "backoff") {
      const { table } = entry;
      term.deadlines.after(ended.delayMs, () => {
        table.endBackoff(execution.partition);
        if (entry.table === table) term.placer.enqueue(entry);
      });
    }
    term.placer.enqueue(entry);
  } else {
    forgetWhenSettled(term, entry);
  }
  if (node !== undefined) noteFreed(term, node);
}

/** Nodes that may be offered the job and have not refused it for good; counting ends where more make no difference. */
function countFitting({ live }: TermContext, { queueClass: { shape, size }, refusals }: JobEntry): number {
  const eligible = live.index.eligible(shape);
  let fitting = 0;
  for (let i = 0; i < eligible.length && fitting < FITTING_MAX; i++) {
    const node = live.index.nodeAt(eligible.at(i));
    if (node !== undefined && timesFitting(size, node.capacity, 1) === 1 && !isLasting(refusals.get(node.id)?.reason)) fitting++;
  }
  return fitting;
}

function noteStarted(term: TermContext, entry: JobEntry, execution: Execution): void {
  if (execution.jobVersion === entry.job.version) entry.hasStarted = true;
  if (execution.state === "running") watchExecution(term, entry, execution);
}

function expireJob(term: TermContext, entry: JobEntry, { version, failure }: { version: number; failure: Failure | undefined }): void {
  const { job } = entry;
  if (failure === undefined || job.version !== version || isJobEnded(job.state)) return;
  term.live.setJob(entry, failJob(job, entry.table, term.clock.nowMs(), failure));
  addJobEvent(term, entry, job.state, failure);
  settleEndedJob(term, entry);
}

/** Kept a little longer than needed, so that a read of the store that began before cannot meet a job that memory forgot since. */
function forgetWhenSettled(term: TermContext, entry: JobEntry): void {
  if (entry.executionIds.size > 0) return;
  const { version } = entry.job;
  term.deadlines.after(FORGET_AFTER_MS, () => {
    if (entry.executionIds.size === 0 && entry.job.version === version && isJobEnded(entry.job.state)) term.live.jobs.delete(entry.job.id);
  });
}

function isSameCounts(a: JobEntry["job"]["partitions"], b: JobEntry["job"]["partitions"]): boolean {
  return a.waiting === b.waiting && a.running === b.running && a.completed === b.completed && a.failed === b.failed;
}

/** More nodes than any partition is tried on. */
const FITTING_MAX = 20;
const FORGET_AFTER_MS = 10_000;
