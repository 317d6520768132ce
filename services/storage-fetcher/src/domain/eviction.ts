/** An entry as eviction sees it. */
export interface Evictable {
  readonly key: string;
  readonly sizeBytes: number;
  readonly isLeased: boolean;
  readonly usedAtMs: number;
  /** Bytes of it that are links to files of another entry: they are free when both are gone. */
  readonly shared?: { readonly key: string; readonly sizeBytes: number };
}

export interface EvictionPlan {
  readonly keys: readonly string[];
  /** Bytes that are still missing when all of that is removed. 0 when it fits. */
  readonly missingBytes: number;
}

/** Which entries to remove to free `bytes`: those not used for longest, never a leased one. Removes nothing when that is not enough. */
export function planEviction(entries: readonly Evictable[], bytes: number): EvictionPlan {
  const free = entries.filter((entry) => !entry.isLeased).toSorted((a, b) => a.usedAtMs - b.usedAtMs);
  const shares = new LiveShares(entries);
  const keys: string[] = [];
  let missingBytes = bytes;
  for (const entry of free) {
    if (missingBytes <= 0) break;
    keys.push(entry.key);
    missingBytes -= shares.remove(entry);
  }
  return missingBytes > 0 ? { keys: [], missingBytes } : { keys, missingBytes: 0 };
}

/** Bytes that entries take on the disk; what they share counts once. */
export function diskBytes(entries: readonly Evictable[]): number {
  const keys = new Set(entries.map(({ key }) => key));
  return entries.reduce(
    (sum, { sizeBytes, shared }) => sum + sizeBytes - (shared !== undefined && keys.has(shared.key) ? shared.sizeBytes : 0),
    0,
  );
}

class LiveShares {
  readonly #live: Set<string>;
  /** By the entry whose files they are. */
  readonly #bytes = new Map<string, number>();

  constructor(entries: readonly Evictable[]) {
    this.#live = new Set(entries.map(({ key }) => key));
    for (const { shared } of entries) if (shared !== undefined) this.#add(shared.key, shared.sizeBytes);
  }

  /** Returns the bytes that become free. */
  remove({ key, sizeBytes, shared }: Evictable): number {
    this.#live.delete(key);
    const stillLinked = Math.min(this.#bytes.get(key) ?? 0, sizeBytes);
    if (shared === undefined) return sizeBytes - stillLinked;
    this.#add(shared.key, -shared.sizeBytes);
    return sizeBytes - stillLinked - (this.#live.has(shared.key) ? shared.sizeBytes : 0);
  }

  #add(key: string, bytes: number): void {
    this.#bytes.set(key, (this.#bytes.get(key) ?? 0) + bytes);
  }
}
