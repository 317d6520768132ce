import type { Holder } from "./holder-container.ts";

/** Holders of one kind made ahead. A holder serves task after task, never two at once. */
export class HolderPool {
  readonly #make: () => Promise<Holder>;
  readonly #idleMax: number;
  readonly #idle: Holder[] = [];
  #warming: Promise<void> | undefined;
  #isClosed = false;

  constructor(make: () => Promise<Holder>, idleMax: number) {
    this.#make = make;
    this.#idleMax = idleMax;
  }

  /**
   * Makes holders ahead, one after the other: many at once can deadlock the engine's network code. Once; from then on those that come
   * back keep the pool full.
   */
  warm(): void {
    this.#warming ??= this.#fill().catch(() => undefined);
  }

  async acquire(): Promise<Holder> {
    return this.#idle.pop() ?? (await this.#make());
  }

  /** False when there are enough; then the holder is not kept. */
  offer(holder: Holder): boolean {
    if (this.#isClosed || this.#idle.length >= this.#idleMax) return false;
    this.#idle.push(holder);
    return true;
  }

  /** The holders that were idle; they are the caller's. */
  takeAll(): readonly Holder[] {
    return this.#idle.splice(0);
  }

  async close(): Promise<readonly Holder[]> {
    this.#isClosed = true;
    await this.#warming;
    return this.takeAll();
  }

  async #fill(): Promise<void> {
    while (!this.#isClosed && this.#idle.length < this.#idleMax) this.#idle.push(await this.#make());
  }
}
