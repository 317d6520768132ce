import type { InputSource, Source } from "@skrei/domain";

/**
 * Nodes that lately had what jobs read: a hint whom to ask, among many. What a node has it says itself, so that a hint that is wrong
 * costs an ask.
 */
export class DataPlaces {
  /** Newest last; so are the slots of each. */
  readonly #slotsByKey = new Map<string, readonly number[]>();

  /** A node of this slot got these inputs. */
  noteInputs(inputs: readonly InputSource[], slot: number): void {
    for (const { source } of inputs) this.#note(keyOf(source), slot);
  }

  /** A node of this slot made this result, and keeps it for a while. */
  noteResult(cid: string, slot: number): void {
    this.#note(keyOf({ type: "content", cid, path: "" }), slot);
  }

  /** Newest first, those of earlier inputs before. */
  slotsOf(inputs: readonly InputSource[], slotsMax: number): readonly number[] {
    const slots = new Set<number>();
    for (const { source } of inputs) {
      const key = keyOf(source);
      const known = key === undefined ? undefined : this.#slotsByKey.get(key);
      for (const slot of known?.toReversed() ?? []) {
        if (slots.size >= slotsMax) return [...slots];
        slots.add(slot);
      }
    }
    return [...slots];
  }

  #note(key: string | undefined, slot: number): void {
    if (key === undefined) return;
    const others = this.#slotsByKey.get(key)?.filter((other) => other !== slot) ?? [];
    this.#slotsByKey.delete(key);
    this.#slotsByKey.set(key, [...others.slice(1 - SLOTS_MAX), slot]);
    const [oldest] = this.#slotsByKey.keys();
    if (this.#slotsByKey.size > KEYS_MAX && oldest !== undefined) this.#slotsByKey.delete(oldest);
  }
}

/** Undefined for what no node has to fetch. Whatever lies below a content id comes with it. */
function keyOf(source: Source): string | undefined {
  switch (source.type) {
    case "content":
      return `content ${source.cid}`;
    case "http":
    case "s3":
      return JSON.stringify(source);
    case "inline":
    case "local":
      return undefined;
  }
}

const KEYS_MAX = 10_000;
const SLOTS_MAX = 8;
