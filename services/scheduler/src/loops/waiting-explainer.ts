import { isJobEnded } from "@skrei/domain";
import type { Waiting } from "@skrei/domain";
import { describeWaiting, explainWaiting, hasOtherReasons } from "../domain/explain-waiting.ts";
import type { QueueClass } from "../domain/job-queue.ts";
import { queueJob } from "../domain/job-progress.ts";
import type { JobEntry } from "./live-state.ts";
import { addJobEvent } from "./progress.ts";
import type { TermContext } from "./term-context.ts";

/** Records in jobs why their partitions wait; an event only when the reasons are others than before. */
export class WaitingExplainer {
  /** Jobs whose waiting is not explained; those whose class is parked wait without ever coming to its head. */
  readonly #fresh = new Set<JobEntry>();
  /** Jobs of a class wait for the same reasons; looking at ten thousand nodes for each of them would take hours. */
  readonly #recent = new WeakMap<QueueClass, Waiting>();
  #term: TermContext | undefined;

  attach(term: TermContext): void {
    this.#term = term;
  }

  /** The job has just entered the queue. */
  note(entry: JobEntry): void {
    this.#fresh.add(entry);
  }

  /** Explains jobs behind the head of a parked class, a bounded number. False: there may be more. */
  explainParked(): boolean {
    const again: JobEntry[] = [];
    let explained = 0;
    let looked = 0;
    for (const entry of this.#fresh) {
      if (looked++ === EXPLAINED_PER_TICK) break;
      this.#fresh.delete(entry);
      const { job, table } = entry;
      if (isJobEnded(job.state) || job.waiting !== undefined || table.ready === 0 || entry.isAsking) continue;
      if (!entry.queueClass.isParked) again.push(entry);
      else {
        this.explain(entry);
        explained++;
      }
    }
    for (const entry of again) this.#fresh.add(entry);
    return explained < EXPLAINED_PER_TICK;
  }

  /** All that waits of the job does so before a next attempt; told again when the last word on it is old. */
  explainBackoff(entry: JobEntry): void {
    const { job, table } = entry;
    if (table.backoff === undefined) return;
    const isTold = job.waiting?.reasons.some(({ reason }) => reason === "RETRY_BACKOFF") === true;
    if (!isTold || this.#isOld(job.waiting)) this.explain(entry);
  }

  explain(entry: JobEntry): void {
    const term = this.#context;
    const waiting = this.#waitingOf(entry);
    const from = entry.job.state;
    const isNews = hasOtherReasons(entry.job.waiting, waiting) || from === "pending";
    if (!isNews && (entry.table.backoff === undefined || !this.#isOld(entry.job.waiting))) return;
    term.live.setJob(entry, queueJob(entry.job, waiting));
    if (!isNews) return;
    const [first] = waiting.reasons;
    const details = { message: describeWaiting(waiting), ...(first && { reason: first.reason }) };
    if (entry.job.state === from) term.live.changes.addEvent({ type: "job.waiting", jobId: entry.job.id, from, to: from, ...details });
    else addJobEvent(term, entry, from, details);
  }

  get #context(): TermContext {
    if (this.#term === undefined) throw new Error("the explainer has no term");
    return this.#term;
  }

  #isOld(waiting: Waiting | undefined): boolean {
    return this.#context.clock.nowMs() - (waiting?.evaluatedAtMs ?? 0) >= RECENT_MS;
  }

  #waitingOf(entry: JobEntry): Waiting {
    const { live, clock } = this.#context;
    const { queueClass, demand, refusals, table } = entry;
    const nowMs = clock.nowMs();
    const partitions = table.counts().waiting;
    const partitionsInBackoff = partitions - table.ready;
    const isOfItsClass = refusals.size === 0 && partitionsInBackoff === 0 && live.nodes.size > EXACT_BELOW;
    const recent = this.#recent.get(queueClass);
    if (isOfItsClass && recent !== undefined && nowMs - recent.evaluatedAtMs < RECENT_MS) return { ...recent, partitions };
    const waiting = explainWaiting({
      demand,
      partitions,
      partitionsInBackoff,
      backoff: table.backoff,
      nodes: live.snapshots(),
      refusals,
      nowMs,
    });
    if (isOfItsClass) this.#recent.set(queueClass, waiting);
    return waiting;
  }
}

const EXPLAINED_PER_TICK = 1_000;
/** In a cluster of this size each job gets a look of its own. */
const EXACT_BELOW = 256;
const RECENT_MS = 2_000;
