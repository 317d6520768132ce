import { setImmediate as nextTurn } from "node:timers/promises";
import { RAW_CODE } from "@skrei/unixfs/cid.ts";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import { linksOf } from "@skrei/unixfs/node.ts";
import { type BlockSource, keyOf } from "./block-source.ts";

const AHEAD_MAX = 8_192;
const BATCH_MAX = 32;
const CACHE_BYTES_MAX = 16 * 1_048_576;
const TURN_MS = 20;

/** Loads inner nodes of a DAG, those that come next along with the one that is asked for. Never a leaf of its own accord. */
export class NodeLoader {
  readonly #source: BlockSource;
  readonly #readsAhead: boolean;
  /** In the order in which they were used; the first is forgotten first. */
  readonly #cache = new Map<string, Uint8Array>();
  /** What a walk will want, the next one last. */
  #ahead: ContentId[] = [];
  #cacheBytes = 0;
  #restedAtMs = performance.now();

  constructor(source: BlockSource, { readsAhead }: { readonly readsAhead: boolean }) {
    this.#source = source;
    this.#readsAhead = readsAhead;
  }

  /** The block, verified. */
  readonly load = async (cid: ContentId): Promise<Uint8Array> => {
    const key = keyOf(cid);
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known;
    }
    await this.#source.fetch(this.#batchFrom(cid, key), (fetched, bytes) => {
      this.#keep(fetched, Uint8Array.from(bytes));
    });
    const block = this.#cache.get(key);
    if (block === undefined) throw new Error(`block ${cid.toString()} was not given`);
    if (this.#readsAhead) this.#expect(cid, block);
    return block;
  };

  /** To be awaited in loops that may find everything at hand: connections, Ctrl-C and the screen have their turn too. */
  async rest(): Promise<void> {
    if (performance.now() - this.#restedAtMs < TURN_MS) return;
    await nextTurn();
    this.#restedAtMs = performance.now();
    this.#source.signal.throwIfAborted();
  }

  #batchFrom(cid: ContentId, key: string): ContentId[] {
    const batch = new Map([[key, cid]]);
    while (batch.size < BATCH_MAX) {
      const next = this.#ahead.pop();
      if (next === undefined) break;
      if (!this.#cache.has(keyOf(next))) batch.set(keyOf(next), next);
    }
    return [...batch.values()];
  }

  #expect(cid: ContentId, block: Uint8Array): void {
    const inner = linksOf(cid, block).filter(({ code }) => code !== RAW_CODE);
    this.#ahead.push(...inner.toReversed());
    if (this.#ahead.length > AHEAD_MAX) this.#ahead = this.#ahead.slice(-AHEAD_MAX);
  }

  #keep(cid: ContentId, block: Uint8Array): void {
    this.#cache.set(keyOf(cid), block);
    this.#cacheBytes += block.length;
    for (const [key, { length }] of this.#cache) {
      if (this.#cacheBytes <= CACHE_BYTES_MAX || this.#cache.size <= BATCH_MAX) return;
      this.#cache.delete(key);
      this.#cacheBytes -= length;
    }
  }
}
