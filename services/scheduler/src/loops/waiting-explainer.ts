import type { Waiting } from "@skrei/domain";
import { describeWaiting, explainWaiting, hasOtherReasons } from "../domain/explain-waiting.ts";
import type { QueueClass } from "../domain/job-queue.ts";
import { queueJob } from "../domain/job-progress.ts";
import type { JobEntry } from "./live-state.ts";
import { addJobEvent } from "./progress.ts";
import type { TermContext } from "./term-context.ts";

/** Records in jobs why their partitions wait; an event only when the reasons are others than before. */
export class WaitingExplainer {
  /** Jobs that were never explained; those whose class is parked wait without ever coming to its head. */
  #fresh: JobEntry[] = [];
  /** Jobs of a class wait for the same reasons; looking at ten thousand nodes for each of them would take hours. */
  readonly #recent = new WeakMap<QueueClass, Waiting>();
  #term: TermContext | undefined;

  attach(term: TermContext): void {
    this.#term = term;
  }

  /** The job has just entered the queue. */
  note(entry: JobEntry): void {
    this.#fresh.push(entry);
  }

  /** Explains jobs behind the head of a parked class, a bounded number. False: there may be more. */
  explainParked(): boolean {
    const looked = this.#fresh.splice(0, EXPLAINED_PER_TICK);
    let explained = 0;
    for (const entry of looked) {
      if (entry.job.state !== "pending" || entry.isAsking) continue;
      if (!entry.queueClass.isParked) this.#fresh.push(entry);
      else {
        this.explain(entry);
        explained++;
      }
    }
    return explained < EXPLAINED_PER_TICK;
  }

  explain(entry: JobEntry): void {
    const term = this.#context;
    const waiting = this.#waitingOf(entry);
    const from = entry.job.state;
    if (!hasOtherReasons(entry.job.waiting, waiting) && from !== "pending") return;
    term.live.setJob(entry, queueJob(entry.job, waiting));
    const [first] = waiting.reasons;
    const details = { message: describeWaiting(waiting), ...(first && { reason: first.reason }) };
    if (entry.job.state === from) term.live.changes.addEvent({ type: "job.waiting", jobId: entry.job.id, from, to: from, ...details });
    else addJobEvent(term, entry, from, details);
  }

  get #context(): TermContext {
    if (this.#term === undefined) throw new Error("the explainer has no term");
    return this.#term;
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
    const waiting = explainWaiting({ demand, partitions, partitionsInBackoff, nodes: live.snapshots(), refusals, nowMs });
    if (isOfItsClass) this.#recent.set(queueClass, waiting);
    return waiting;
  }
}

const EXPLAINED_PER_TICK = 1_000;
/** In a cluster of this size each job gets a look of its own. */
const EXACT_BELOW = 256;
const RECENT_MS = 2_000;
