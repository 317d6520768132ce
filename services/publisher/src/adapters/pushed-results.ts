import type { ResultFolders } from "./result-folders.ts";
import type { StoreRoom } from "./store-room.ts";

/** Results that the cluster's store has too: a cache of which the least recently used go first, and never one that is read. */
export class PushedResults {
  readonly #room: StoreRoom;
  readonly #results: ResultFolders;
  readonly #bytesMax: number;
  readonly #drop: (executionId: string) => Promise<void>;

  constructor({
    room,
    results,
    bytesMax,
    drop,
  }: {
    readonly room: StoreRoom;
    readonly results: ResultFolders;
    readonly bytesMax: number;
    readonly drop: (executionId: string) => Promise<void>;
  }) {
    this.#room = room;
    this.#results = results;
    this.#bytesMax = bytesMax;
    this.#drop = drop;
  }

  /** @throws DomainError exhausted/STORE_FULL when it does not help that all go. */
  async makeRoom(storeBytes: number, diskBytes: number): Promise<void> {
    for (;;) {
      const refusal = this.#room.refusal(storeBytes, diskBytes);
      if (refusal === undefined) return;
      const { executionId } = this.#results.leastUsed();
      if (executionId === undefined) throw refusal;
      await this.#drop(executionId);
    }
  }

  /** Lets them go as far as the limits demand. Returns how many went. */
  async evict(): Promise<number> {
    for (let evicted = 0; ; evicted++) {
      const { executionId, pushedBytes } = this.#results.leastUsed();
      if (executionId === undefined || !(pushedBytes > this.#bytesMax || this.#room.isShort)) return evicted;
      await this.#drop(executionId);
    }
  }
}
