/** The slots of the nodes that satisfy one constraint shape: dense for sampling, with positions for removal in constant time. */
export class EligibleSlots {
  #slots = new Int32Array(64);
  /** Position of a slot in `#slots`, or -1. */
  #positions = new Int32Array(64).fill(-1);
  #length = 0;
  /** Where the next scan begins, so that scans do not all look at the same nodes. */
  cursor = 0;

  get length(): number {
    return this.#length;
  }

  at(position: number): number {
    return this.#slots[position] ?? -1;
  }

  has(slot: number): boolean {
    return slot < this.#positions.length && this.#positions[slot] !== -1;
  }

  set(slot: number, isEligible: boolean): void {
    if (isEligible === this.has(slot)) return;
    if (isEligible) this.#add(slot);
    else this.#remove(slot);
  }

  #add(slot: number): void {
    if (slot >= this.#positions.length) this.#positions = grown(this.#positions, slot + 1, -1);
    if (this.#length === this.#slots.length) this.#slots = grown(this.#slots, this.#length + 1, 0);
    this.#slots[this.#length] = slot;
    this.#positions[slot] = this.#length++;
  }

  #remove(slot: number): void {
    const position = this.#positions[slot] ?? -1;
    const last = this.#slots[--this.#length] ?? -1;
    this.#slots[position] = last;
    this.#positions[last] = position;
    this.#positions[slot] = -1;
  }
}

function grown(array: Int32Array, lengthMin: number, filler: number): Int32Array<ArrayBuffer> {
  const next = new Int32Array(Math.max(lengthMin, array.length * 2)).fill(filler);
  next.set(array);
  return next;
}
