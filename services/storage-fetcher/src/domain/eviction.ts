/** An entry as eviction sees it. */
export interface Evictable {
  readonly key: string;
  readonly sizeBytes: number;
  readonly isLeased: boolean;
  readonly usedAtMs: number;
}

export interface EvictionPlan {
  readonly keys: readonly string[];
  /** Bytes that are still missing when all of that is removed. 0 when it fits. */
  readonly missingBytes: number;
}

/** Which entries to remove to free `bytes`: those not used for longest, never a leased one. Removes nothing when that is not enough. */
export function planEviction(entries: readonly Evictable[], bytes: number): EvictionPlan {
  const free = entries.filter((entry) => !entry.isLeased).toSorted((a, b) => a.usedAtMs - b.usedAtMs);
  const keys: string[] = [];
  let missingBytes = bytes;
  for (const entry of free) {
    if (missingBytes <= 0) break;
    keys.push(entry.key);
    missingBytes -= entry.sizeBytes;
  }
  return missingBytes > 0 ? { keys: [], missingBytes } : { keys, missingBytes: 0 };
}
