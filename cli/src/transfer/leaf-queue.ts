import type { ContentId } from "@skrei/unixfs/cid.ts";
import { BLOCKS_PER_FETCH_MAX, type BlockSource, keyOf } from "./block-source.ts";
import { wrongSize } from "./file-leaves.ts";
import type { PartialFile } from "./partial-file.ts";

const FETCHES_MAX = 4;
/** Small enough that a file of some ten MiB comes over several connections. */
const FETCH_BYTES_MAX = 16 * 1_048_576;
/** Of a leaf whose size only its block tells: most such files are far smaller. */
const UNKNOWN_SIZE_BYTES = 65_536;

/** A place for the bytes of a block. */
export interface LeafPlace {
  readonly cid: ContentId;
  readonly file: PartialFile;
  readonly offset: number;
  /** What the node above says; undefined for a file of one block. */
  readonly sizeBytes: number | undefined;
  readonly onWritten: (sizeBytes: number) => void;
}

/** Fetches leaves in batches, a few at once, and writes each to its places. A block that a batch needs twice comes once. */
export class LeafQueue {
  readonly #source: BlockSource;
  readonly #running = new Set<Promise<void>>();
  #batch = new Map<string, LeafPlace[]>();
  #batchBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: BlockSource) {
    this.#source = source;
  }

  /** Resolves when there is room for more. @throws what an earlier batch failed with. */
  async add(place: LeafPlace): Promise<void> {
    place.file.expect();
    const key = keyOf(place.cid);
    const places = this.#batch.get(key);
    if (places !== undefined) places.push(place);
    else {
      this.#batch.set(key, [place]);
      this.#batchBytes += place.sizeBytes ?? UNKNOWN_SIZE_BYTES;
    }
    if (this.#batch.size >= BLOCKS_PER_FETCH_MAX || this.#batchBytes >= FETCH_BYTES_MAX) await this.#send();
    this.#throwFailure();
  }

  /** Resolves when all is written. */
  async drain(): Promise<void> {
    if (this.#batch.size > 0 && this.#failure === undefined) await this.#send();
    await this.settle();
    this.#throwFailure();
  }

  /** Resolves when nothing runs any more, however it went. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = new Map();
    this.#batchBytes = 0;
    while (this.#running.size >= FETCHES_MAX) await Promise.race(this.#running);
    const run = this.#fetch(batch)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #fetch(batch: ReadonlyMap<string, readonly LeafPlace[]>): Promise<void> {
    const cids = [...batch.values()].flatMap(([place]) => (place === undefined ? [] : [place.cid]));
    await this.#source.fetch(cids, (cid, bytes) => {
      for (const { file, offset, sizeBytes, onWritten } of batch.get(keyOf(cid)) ?? []) {
        if (sizeBytes !== undefined && sizeBytes !== bytes.length) throw wrongSize(cid, sizeBytes);
        file.arrive(bytes, offset);
        onWritten(bytes.length);
      }
    });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
