/** What a node's input cache holds, and what it did since it started. */
export interface CacheState {
  readonly entries: number;
  readonly sizeBytes: number;
  readonly pinnedEntries: number;
  /** Fetches that found their data on the node. */
  readonly hits: number;
  /** Fetches that moved bytes. */
  readonly misses: number;
  readonly bytesMax: number;
  readonly freeBytes: number;
  readonly freeBytesMin: number;
  readonly hitBytes: number;
  readonly movedBytes: number;
}

/** What a content store holds. */
export interface StoreState {
  /** Of all blocks and result files. */
  readonly sizeBytes: number;
  /** 0 is as the disk allows. */
  readonly bytesMax: number;
  readonly freeBytes: number;
  readonly freeBytesMin: number;
  readonly results: number;
  readonly pins: number;
  readonly unpinnedBytes: number;
  /** Where it publishes to. */
  readonly targets: readonly string[];
}

/** One reason for a store to keep a root. */
export interface Pin {
  /** `execution:e-…`, `upload:<cid>` or `pin:<name>`. */
  readonly owner: string;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  /** Undefined: never. */
  readonly expiresAtMs: number | undefined;
}
