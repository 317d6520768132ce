import { isJobEnded, LIMITS } from "@skrei/domain";
import type { NodeId, Reason } from "@skrei/domain";
import type { Deadline } from "../domain/deadlines.ts";
import { judgeBids } from "../domain/judge-bids.ts";
import type { Judgement, Offer, Placement } from "../domain/judge-bids.ts";
import type { Ask, Bid } from "../ports.ts";
import { jobTaskOf } from "./job-task.ts";
import type { JobEntry, NodeEntry } from "./live-state.ts";
import type { TermContext } from "./term-context.ts";

/** One question to one node, for which room is reserved on the scheduler's books until it is settled. */
interface OpenAsk {
  readonly round: Round;
  readonly askId: string;
  readonly nodeId: NodeId;
  readonly session: string;
  readonly slot: number;
  /** Reserved on the books. */
  partitions: number;
  offer: Offer | undefined;
  isAnswered: boolean;
}

interface Round {
  readonly entry: JobEntry;
  readonly table: JobEntry["table"];
  readonly asks: OpenAsk[];
  outstanding: number;
  isDecided: boolean;
  window: Deadline | undefined;
}

interface OutgoingAsk {
  readonly ask: Ask;
  readonly open: OpenAsk;
  readonly sizeBytes: number;
}

/** Asks in one message a node and tick, collects the bids, and decides when all have answered or the window is over. */
export class BidRounds {
  readonly #onDecided: (entry: JobEntry, placements: readonly Placement[]) => void;
  #outgoing = new Map<NodeId, OutgoingAsk[]>();
  #term: TermContext | undefined;
  #counter = 0;

  constructor({ onDecided }: { onDecided: (entry: JobEntry, placements: readonly Placement[]) => void }) {
    this.#onDecided = onDecided;
  }

  attach(term: TermContext): void {
    this.#term = term;
  }

  /** Asks the nodes in `slots` for up to `wanted` partitions of the job; goes out with the next `send`. */
  open(entry: JobEntry, slots: readonly number[], wanted: number): void {
    const { live, deadlines, options, term } = this.#context;
    const round: Round = { entry, table: entry.table, asks: [], outstanding: 0, isDecided: false, window: undefined };
    const job = jobTaskOf(entry);
    for (const slot of slots) {
      const partitions = live.index.room(slot, entry.demand.resources, wanted);
      const node = live.nodes.get(live.index.nodeAt(slot)?.id ?? ("" as NodeId));
      if (partitions === 0 || node === undefined) continue;
      live.index.reserve(slot, entry.demand.resources, partitions);
      const askId = `a-${String(term)}-${String(++this.#counter)}`;
      const open: OpenAsk = {
        round,
        askId,
        nodeId: node.node.id,
        session: node.node.session,
        slot,
        partitions,
        offer: undefined,
        isAnswered: false,
      };
      round.asks.push(open);
      const outgoing = { ask: { askId, job, partitions }, open, sizeBytes: entry.specBytes };
      const list = this.#outgoing.get(node.node.id);
      if (list === undefined) this.#outgoing.set(node.node.id, [outgoing]);
      else list.push(outgoing);
    }
    round.outstanding = round.asks.length;
    entry.isAsking = true;
    round.window = deadlines.after(options.bidWindowMs, () => this.#decide(round));
  }

  send(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = new Map();
    for (const [nodeId, asks] of outgoing) for (const batch of cutBatches(asks)) void this.#ask(nodeId, batch);
  }

  get #context(): TermContext {
    if (this.#term === undefined) throw new Error("the rounds have no term");
    return this.#term;
  }

  async #ask(nodeId: NodeId, asks: readonly OutgoingAsk[]): Promise<void> {
    const { agents, options, signal, logger } = this.#context;
    const session = asks[0]?.open.session ?? "";
    let bids: readonly Bid[] = [];
    try {
      bids = await agents.ask(
        { nodeId, session },
        asks.map(({ ask }) => ask),
        options.bidWindowMs,
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      logger.debug({ nodeId, err: error }, "node did not answer an ask");
    }
    if (signal.aborted) return;
    const bidsByAsk = new Map(bids.map((bid) => [bid.askId, bid]));
    for (const { open } of asks) this.#answer(open, bidsByAsk.get(open.askId));
  }

  #answer(open: OpenAsk, bid: Bid | undefined): void {
    const { round } = open;
    open.isAnswered = true;
    if (!round.isDecided) {
      this.#note(open, bid);
      if (--round.outstanding === 0) this.#decide(round);
    } else if (bid !== undefined && bid.partitions > 0) this.#releaseOnNode(open);
  }

  #note(open: OpenAsk, bid: Bid | undefined): void {
    if (bid === undefined) return this.#refuse(open, "BID_TIMED_OUT", "the node did not answer the ask");
    const offered = Math.min(bid.partitions, open.partitions);
    if (offered < open.partitions) this.#refuse(open, bid.reason ?? "CAPACITY_BUSY", bid.message);
    if (offered > 0) open.offer = this.#offerOf(open, bid, offered);
  }

  #offerOf({ askId, nodeId, slot, round }: OpenAsk, bid: Bid, partitions: number): Offer {
    const { missingBytes, isImageMissing, queuedExecutions } = bid;
    const freeShare = this.#context.live.index.freeShare(slot, round.entry.demand.resources);
    return { askId, nodeId, slot, partitions, missingBytes, isImageMissing, queuedExecutions, freeShare };
  }

  #decide(round: Round): void {
    if (round.isDecided) return;
    round.isDecided = true;
    const { entry, asks, window } = round;
    this.#context.deadlines.cancel(window);
    const isWanted = entry.table === round.table && !isJobEnded(entry.job.state);
    const { placements, takenByAsk } = isWanted ? this.#judge(round) : NOTHING_TAKEN;
    const takenOf = ({ askId }: OpenAsk): number => takenByAsk.get(askId) ?? 0;
    for (const open of asks) this.#settle(open, takenOf(open));
    if (isWanted) {
      entry.isAsking = false;
      this.#onDecided(entry, placements);
    }
    for (const open of asks) this.#releaseRest(open, takenOf(open));
  }

  #judge({ table, asks }: Round): Judgement {
    for (const open of asks) if (!open.isAnswered) this.#refuse(open, "BID_TIMED_OUT", "the node did not answer the ask in time");
    const offers = asks.flatMap((open) => (open.offer !== undefined && this.#isStillThere(open) ? [open.offer] : []));
    const room = offers.reduce((sum, { partitions }) => sum + partitions, 0);
    const waiting = table.peekReady(Math.min(room, table.ready));
    return judgeBids(
      waiting.map((partition) => ({ partition, avoidedNodeIds: table.historyOf(partition).nodeIds })),
      offers,
    );
  }

  /** Gives back what was reserved on the books and not taken. */
  #settle(open: OpenAsk, taken: number): void {
    const { live } = this.#context;
    const unused = open.partitions - taken;
    if (unused > 0) live.index.release(open.slot, open.round.entry.demand.resources, unused);
    const node = live.nodes.get(open.nodeId);
    if (unused > 0 && node !== undefined) {
      live.queue.wake(open.slot, live.index);
      this.#context.placer.wake();
    }
    if (taken > 0) open.round.entry.refusals.delete(open.nodeId);
  }

  /** The rest of an offer is given back on the node after its executions were told, which are durable only then. */
  #releaseRest(open: OpenAsk, taken: number): void {
    if ((open.offer?.partitions ?? 0) <= taken) return;
    if (taken === 0) return this.#releaseOnNode(open);
    void this.#context.committer.durable().then(
      () => this.#releaseOnNode(open),
      () => undefined, // Not leading any more: the reservation runs out by itself.
    );
  }

  /** At once where room is scarce; otherwise with the next message, or a little later, to save one. */
  #releaseOnNode({ askId, nodeId, session, slot, round }: OpenAsk): void {
    const { live, assigner, deadlines } = this.#context;
    const node = live.nodes.get(nodeId);
    if (node?.node.session !== session) return;
    node.chain.releaseAsk(askId);
    if (live.index.freeShare(slot, round.entry.demand.resources) < SCARCE_SHARE) return assigner.flush(node);
    if (node.isFlushDue) return;
    node.isFlushDue = true;
    deadlines.after(RELEASE_LATER_MS, () => {
      node.isFlushDue = false;
      assigner.flush(node);
    });
  }

  /** An offer counts only while the node is as it was when asked. */
  #isStillThere({ nodeId, session, round }: OpenAsk): boolean {
    const { live } = this.#context;
    const node: NodeEntry | undefined = live.nodes.get(nodeId);
    return node?.node.session === session && live.index.eligible(round.entry.queueClass.shape).has(node.slot);
  }

  /** The node is not asked again for a while that grows, unless something changes there. */
  #refuse({ nodeId, round: { entry } }: OpenAsk, reason: Reason, message: string): void {
    const { live, clock, deadlines, placer } = this.#context;
    const count = (entry.refusals.get(nodeId)?.count ?? 0) + 1;
    const delayMs = Math.min(REFUSED_MS_MAX, REFUSED_MS * 2 ** (count - 1));
    entry.refusals.set(nodeId, { reason, message, count, untilMs: clock.nowMs() + delayMs });
    live.nodes.get(nodeId)?.refusedJobIds.add(entry.job.id);
    deadlines.after(delayMs, () => placer.enqueue(entry));
  }
}

function cutBatches(asks: readonly OutgoingAsk[]): OutgoingAsk[][] {
  const batches: OutgoingAsk[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const ask of asks) {
    size += ask.sizeBytes;
    if (size > LIMITS.busBatchBytesMax) {
      batches.push([]);
      size = ask.sizeBytes;
    }
    batches.at(-1)?.push(ask);
  }
  return batches;
}

const SCARCE_SHARE = 0.5;
const RELEASE_LATER_MS = 100;
const NOTHING_TAKEN: Judgement = { placements: [], takenByAsk: new Map() };

/** First wait before a node that refused is asked again; doubles each time. */
const REFUSED_MS = 500;
const REFUSED_MS_MAX = 30_000;
