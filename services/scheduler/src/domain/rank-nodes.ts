import type { Resources } from "@skrei/domain";
import type { EligibleSlots } from "./eligible-slots.ts";
import type { NodeIndex } from "./node-index.ts";

export interface RankOptions {
  readonly size: Resources;
  /** Nodes wanted at most. */
  readonly nodesMax: number;
  /** Nodes wanted at least and partitions to make room for; more nodes are taken until they have that room. */
  readonly partitions: number;
  readonly random: () => number;
  /** Slots that may have the data of the job; looked at first and taken before others. */
  readonly likely: readonly number[];
  /** Nodes that refused the job lately; not taken. */
  readonly isExcluded: (slot: number) => boolean;
  /** Nodes where these partitions failed before; taken last. */
  readonly isAvoided: (slot: number) => boolean;
}

export interface RankedNodes {
  /** Best first; each with room for at least one. */
  readonly slots: readonly number[];
  /** An excluded node would have had room. */
  readonly isAnyExcluded: boolean;
}

/** More than the freest node has. */
const LIKELY_BONUS = 2;
/** Below this many nodes every one is looked at; above, so many are drawn at random (one draw of 8 costs about 0.3 µs). */
const SAMPLE_SIZE = 8;
const EXACT_BELOW = 64;
/** When the sample found a node but not enough of them, so many more are looked at in turn. */
const EXTRA_SCAN = 64;

/** The nodes to ask: those with the most free capacity among a sample, or, if the sample has none, the first that a scan finds. */
export function rankNodes(index: NodeIndex, eligible: EligibleSlots, options: RankOptions): RankedNodes {
  const search = new Search(index, options);
  for (const slot of options.likely) if (eligible.has(slot)) search.look(slot, LIKELY_BONUS);
  if (eligible.length <= EXACT_BELOW) {
    for (let i = 0; i < eligible.length; i++) search.look(eligible.at(i));
    return search.end();
  }
  for (let i = 0; i < SAMPLE_SIZE; i++) search.look(eligible.at(Math.floor(options.random() * eligible.length)));
  if (!search.hasEnough()) scan(eligible, search);
  return search.end();
}

/** The same among a few named slots, such as those where capacity was freed since the last full search. */
export function rankAmong(index: NodeIndex, slots: Iterable<number>, options: RankOptions): RankedNodes {
  const search = new Search(index, options);
  for (const slot of slots) search.look(slot);
  return search.end();
}

function scan(eligible: EligibleSlots, search: Search): void {
  const length = eligible.length;
  let extra = EXTRA_SCAN;
  for (let i = 0; i < length; i++) {
    if (eligible.cursor >= length) eligible.cursor = 0;
    search.look(eligible.at(eligible.cursor++));
    if (search.hasEnough()) return;
    if (search.found > 0 && search.isPartial && --extra === 0) return;
  }
}

/** The nodes found so far, best first, in three parallel arrays: this runs a dozen times a placement. */
class Search {
  readonly #index: NodeIndex;
  readonly #options: RankOptions;
  readonly #slots: number[] = [];
  readonly #scores: number[] = [];
  readonly #rooms: number[] = [];
  #room = 0;
  #isAnyExcluded = false;

  constructor(index: NodeIndex, options: RankOptions) {
    this.#index = index;
    this.#options = options;
  }

  get found(): number {
    return this.#slots.length;
  }

  /** More nodes would be welcome but are not needed. */
  get isPartial(): boolean {
    return this.#room >= this.#options.partitions;
  }

  hasEnough(): boolean {
    return this.#slots.length >= this.#options.nodesMax && this.#room >= this.#options.partitions;
  }

  look(slot: number, bonus = 0): void {
    const { size, partitions, isExcluded, isAvoided } = this.#options;
    const room = this.#index.room(slot, size, partitions);
    if (room === 0) return;
    if (isExcluded(slot)) {
      this.#isAnyExcluded = true;
      return;
    }
    this.#insert(slot, this.#index.freeShare(slot, size) + bonus - (isAvoided(slot) ? 10 : 0), room);
  }

  end(): RankedNodes {
    const { nodesMax, partitions } = this.#options;
    let taken = 0;
    for (let room = 0; taken < this.#slots.length && (taken < nodesMax || room < partitions); taken++) room += this.#rooms[taken] ?? 0;
    this.#slots.length = taken;
    return { slots: this.#slots, isAnyExcluded: this.#isAnyExcluded };
  }

  #insert(slot: number, score: number, room: number): void {
    const slots = this.#slots;
    if (slots.includes(slot)) return;
    let at = slots.length;
    for (; at > 0 && (this.#scores[at - 1] ?? 0) < score; at--) {
      slots[at] = slots[at - 1] ?? 0;
      this.#scores[at] = this.#scores[at - 1] ?? 0;
      this.#rooms[at] = this.#rooms[at - 1] ?? 0;
    }
    slots[at] = slot;
    this.#scores[at] = score;
    this.#rooms[at] = room;
    this.#room += room;
  }
}
