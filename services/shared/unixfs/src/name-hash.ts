import { murmur3Head } from "./murmur3.ts";

/** The fanout that Kubo and we build; each level then takes one byte of the hash. */
export const FANOUT = 256;
const HASH_BYTES = 8;

/** Where a name belongs in a HAMT of fanout 256: the slot at each depth. */
export class NameHash {
  readonly #bytes: Uint8Array;
  /** Hash rounds computed so far, 8 bytes each. */
  readonly #rounds: Uint8Array[] = [];

  constructor(name: string) {
    this.#bytes = new TextEncoder().encode(name);
  }

  /** Each level takes one byte of the hash; when they are used up, the name with the round's number is hashed again. */
  slotAt(depth: number): number {
    const round = Math.floor(depth / HASH_BYTES);
    const hash = (this.#rounds[round] ??= murmur3Head(round === 0 ? this.#bytes : Uint8Array.of(...this.#bytes, round)));
    return hash[depth % HASH_BYTES] ?? 0;
  }
}

/** How a slot is written in front of a name. */
export function slotPrefix(slot: number): string {
  return slot.toString(16).toUpperCase().padStart(2, "0");
}
