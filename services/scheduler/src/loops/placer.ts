import { isJobEnded, newExecutionId } from "@skrei/domain";
import type { Execution, JobId, Reason } from "@skrei/domain";
import type { QueuedJob } from "../domain/job-queue.ts";
import type { Placement } from "../domain/judge-bids.ts";
import { rankAmong, rankNodes } from "../domain/rank-nodes.ts";
import type { RankedNodes } from "../domain/rank-nodes.ts";
import { BidRounds } from "./bid-rounds.ts";
import type { JobEntry, NodeEntry } from "./live-state.ts";
import { Notifier } from "./notifier.ts";
import { refreshJob } from "./progress.ts";
import type { TermContext } from "./term-context.ts";
import { WaitingExplainer } from "./waiting-explainer.ts";

/** Places partitions: takes the next job, finds nodes with room, asks them for bids and makes executions of the best. Woken by events. */
export class Placer {
  readonly #wakeup = new Notifier();
  readonly #rounds: BidRounds;
  readonly #explainer = new WaitingExplainer();
  #term: TermContext | undefined;

  constructor() {
    this.#rounds = new BidRounds({ onDecided: (entry, placements) => this.#finishRound(entry, placements) });
  }

  /** The term is made of parts that need each other; this closes the circle. */
  attach(term: TermContext): void {
    this.#term = term;
    this.#rounds.attach(term);
    this.#explainer.attach(term);
  }

  /** Something changed that may let a waiting partition be placed. */
  wake(): void {
    this.#wakeup.notify();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, options } = this.#context;
    for (;;) {
      await this.#wakeup.wait(signal);
      const isMore = this.tick();
      this.#context.committer.notify();
      // A burst of events makes one tick, not many.
      await clock.sleep(options.tickIntervalMs, signal);
      if (isMore) this.wake();
    }
  }

  /** Puts the job into the queue, if it has partitions to place and is not being placed already. */
  enqueue(entry: JobEntry): void {
    const { job, table, queued } = entry;
    if (isJobEnded(job.state) || entry.isAsking) return;
    if (table.ready === 0) return this.#explainer.explainBackoff(entry);
    this.#context.live.queue.add(queued);
    if (job.waiting === undefined) this.#explainer.note(entry);
    this.wake();
  }

  /** Jobs that the node refused for one of these reasons may ask it again now. */
  wakeRefused(node: NodeEntry, isCleared: (reason: Reason) => boolean): void {
    for (const jobId of node.refusedJobIds) {
      const entry = this.#context.live.jobs.get(jobId);
      const refusal = entry?.refusals.get(node.node.id);
      if (entry !== undefined && refusal !== undefined && !isCleared(refusal.reason)) continue;
      node.refusedJobIds.delete(jobId);
      entry?.refusals.delete(node.node.id);
      if (entry !== undefined) this.enqueue(entry);
    }
  }

  /** One pass over the queue; true when it stopped early and another should follow. */
  tick(): boolean {
    const { live } = this.#context;
    let budget = PARTITIONS_PER_TICK;
    const isExplained = new Set<JobId>();
    for (let queued = live.queue.next(); queued !== undefined; queued = live.queue.next()) {
      budget -= this.#place(queued, isExplained);
      if (budget <= 0) break;
    }
    this.#rounds.send();
    return !this.#explainer.explainParked() || budget <= 0;
  }

  get #context(): TermContext {
    if (this.#term === undefined) throw new Error("the placer has no term");
    return this.#term;
  }

  /** Asks nodes for bids, or puts the job or its whole class aside. Returns what it costs of the tick's budget. */
  #place(queued: QueuedJob, isExplained: Set<JobId>): number {
    const { live } = this.#context;
    const entry = live.jobs.get(queued.id);
    if (entry === undefined || isJobEnded(entry.job.state) || entry.table.ready === 0 || entry.isAsking) return 1;
    const wanted = Math.min(entry.table.ready, PARTITIONS_PER_ROUND);
    const ranked = this.#rank(entry, wanted);
    if (ranked.slots.length > 0) {
      this.#rounds.open(entry, ranked.slots, wanted);
      return wanted;
    }
    // A job that only its own refusals keep waiting is woken by them; otherwise nobody of its class has room.
    if (!ranked.isAnyExcluded) {
      live.queue.park(queued.queueClass);
      live.queue.add(queued);
    }
    if (!isExplained.has(queued.id)) this.#explainer.explain(entry);
    isExplained.add(queued.id);
    return 1;
  }

  #rank(entry: JobEntry, wanted: number): RankedNodes {
    const { live, clock, randomness, options } = this.#context;
    const { queueClass, refusals, table } = entry;
    const nowMs = clock.nowMs();
    const avoided = table.avoidedNodes(table.peekReady(Math.min(wanted, options.bidFanout)));
    const rank = {
      size: queueClass.size,
      nodesMax: options.bidFanout,
      partitions: wanted,
      random: randomness.random,
      // One at least that has nothing yet, for when those that have the data are busy.
      likely: live.dataPlaces.slotsOf(entry.job.spec.task.inputs, Math.max(1, options.bidFanout - 1)),
      isExcluded: (slot: number) => {
        const id = refusals.size === 0 ? undefined : live.index.nodeAt(slot)?.id;
        return id !== undefined && (refusals.get(id)?.untilMs ?? 0) > nowMs;
      },
      isAvoided: (slot: number) => {
        const id = avoided.size === 0 ? undefined : live.index.nodeAt(slot)?.id;
        return id !== undefined && avoided.has(id);
      },
    };
    const { freedSlots, shape } = queueClass;
    const eligible = live.index.eligible(shape);
    if (freedSlots === undefined) return rankNodes(live.index, eligible, rank);
    return rankAmong(
      live.index,
      [...freedSlots].filter((slot) => eligible.has(slot)),
      rank,
    );
  }

  #finishRound(entry: JobEntry, placements: readonly Placement[]): void {
    const term = this.#context;
    const { live, clock, randomness } = term;
    for (const { partition, offer } of placements) {
      const node = live.nodes.get(offer.nodeId);
      if (node === undefined) continue;
      const execution: Execution = {
        id: newExecutionId({ nowMs: () => clock.nowMs(), randomBytes: () => randomness.randomBytes() }),
        jobId: entry.job.id,
        jobVersion: entry.job.version,
        partition,
        attempt: entry.table.historyOf(partition).attempts + 1,
        nodeId: offer.nodeId,
        epoch: node.node.epoch,
        desired: "run",
        verdict: "open",
        state: "assigned",
        createdAtMs: clock.nowMs(),
      };
      entry.table.place(partition, execution.id);
      live.holdExecution(execution, true);
      term.assigner.noteAsk(execution.id, offer.askId);
      live.setExecution(execution);
      live.changes.addEvent({
        type: "execution.assigned",
        jobId: execution.jobId,
        executionId: execution.id,
        nodeId: offer.nodeId,
        partition,
        to: "assigned",
      });
    }
    refreshJob(term, entry);
    if (entry.table.ready > 0 && placements.length === 0) this.#explainer.explain(entry);
    this.enqueue(entry);
    term.committer.notify();
  }
}

/** A round that is larger would make its slowest node hold up more. */
const PARTITIONS_PER_ROUND = 1_000;
/** Bounds a tick to some milliseconds. */
const PARTITIONS_PER_TICK = 10_000;
