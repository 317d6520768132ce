import type { NodeId } from "@skrei/domain";

/** A node's offer to run some partitions of a job. */
export interface Offer {
  readonly askId: string;
  readonly nodeId: NodeId;
  readonly slot: number;
  readonly partitions: number;
  readonly missingBytes: number;
  readonly isImageMissing: boolean;
  readonly queuedExecutions: number;
  /** The scarcest resource's free share by the scheduler's books, 0 to 1. */
  readonly freeShare: number;
}

export interface WaitingPartition {
  readonly partition: number;
  /** Where it failed or was refused before. */
  readonly avoidedNodeIds: readonly NodeId[];
}

export interface Placement {
  readonly partition: number;
  readonly offer: Offer;
}

export interface Judgement {
  readonly placements: readonly Placement[];
  /** How many partitions of each offer were taken; asks that are not named were not taken up. */
  readonly takenByAsk: ReadonlyMap<string, number>;
}

/** Gives each partition to the cheapest offer that has room; offers beyond need are left. */
export function judgeBids(partitions: readonly WaitingPartition[], offers: readonly Offer[]): Judgement {
  const takenByAsk = new Map<string, number>();
  const placements: Placement[] = [];
  for (const { partition, avoidedNodeIds } of partitions) {
    const offer = cheapest(offers, takenByAsk, avoidedNodeIds);
    if (offer === undefined) break;
    takenByAsk.set(offer.askId, (takenByAsk.get(offer.askId) ?? 0) + 1);
    placements.push({ partition, offer });
  }
  return { placements, takenByAsk };
}

function cheapest(offers: readonly Offer[], takenByAsk: ReadonlyMap<string, number>, avoided: readonly NodeId[]): Offer | undefined {
  let best: Offer | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const offer of offers) {
    const taken = takenByAsk.get(offer.askId) ?? 0;
    if (taken >= offer.partitions) continue;
    const cost = costMs(offer, taken) + (avoided.includes(offer.nodeId) ? FAILED_BEFORE_MS : 0);
    if (cost >= bestCost) continue;
    best = offer;
    bestCost = cost;
  }
  return best;
}

/** What the offer would cost in waiting, as a rough estimate; ties go to the emptier node, and load is spread as it is given out. */
function costMs({ missingBytes, isImageMissing, queuedExecutions, freeShare, partitions }: Offer, taken: number): number {
  const fetchMs = missingBytes / BYTES_PER_MS + (isImageMissing ? IMAGE_PULL_MS : 0);
  return fetchMs + queuedExecutions * QUEUED_MS + (1 - freeShare + taken / partitions) * SPREAD_MS;
}

/** 100 MB/s: what a node fetches over a common network. */
const BYTES_PER_MS = 100_000;
const IMAGE_PULL_MS = 10_000;
const QUEUED_MS = 1_000;
/** An idle node is worth as much as 10 MB already in the cache of a full one. */
const SPREAD_MS = 100;
/** Other nodes first, but better there than nowhere. */
const FAILED_BEFORE_MS = 3_600_000;
