import type { StagedResult } from "./domain/staged-result.ts";

/** Time, passed in so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A block with the content id it is said to have. */
export interface Block {
  readonly cid: string;
  readonly data: Uint8Array;
}

/** A file or folder that may be read in place. */
export interface LeasedTree {
  /** Absolute; a real file or folder, nobody may write it and all may read it. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** Result folders that stay ordinary files, and blocks from elsewhere, read by content id. Safe for concurrent use. */
export interface ContentStore {
  /**
   * Takes the folder over, seals it, computes its content id and indexes its blocks. Repeating it gives the same answer, also after
   * a crash at any point. On failure the folder is back where it was.
   * @throws DomainError notFound/RESULT_FOLDER_MISSING, exhausted/RESULT_TOO_LARGE, exhausted/STORE_FULL, cancelled/CANCELLED.
   */
  stage(
    request: { readonly executionId: string; readonly folder: string; readonly bytesMax: number },
    signal: AbortSignal,
  ): Promise<StagedResult>;
  findStaged(executionId: string): StagedResult | undefined;
  /** Stores the manifest as a raw block beside a staged result; the first one stays. Returns its content id. */
  keepManifest(executionId: string, manifest: Uint8Array): Promise<string>;
  /** Resolves when the files of a staged result are on the disk. */
  sync(executionId: string): Promise<void>;
  /** Removes a result and what nothing else needs; of one that is read in place the files stay until then. Unknown ids are fine. */
  drop(executionId: string): Promise<void>;
  /**
   * A file or folder that a staged result's parts name, or the whole, where it lies: sealed, real, and kept until the lease ends, also
   * over a restart. @throws DomainError notFound/BLOCK_MISSING, invalid/CONTENT_ID_INVALID.
   */
  leaseTree(cid: string, leaseId: string, nowMs: number): LeasedTree;
  /** Ends a lease with all its trees. Unknown leases are fine. */
  releaseTrees(leaseId: string): Promise<void>;
  /** Those of `cids` that cannot be read here. @throws DomainError invalid/CONTENT_ID_INVALID. */
  missing(cids: readonly string[]): readonly string[];
  /**
   * Stores blocks, each checked against its id; they are on the disk when it resolves. Without a pin they are swept after a day.
   * @throws DomainError invalid/CONTENT_ID_INVALID, invalid/BLOCK_HASH_MISMATCH, invalid/BLOCK_TOO_LARGE, exhausted/STORE_FULL.
   */
  put(blocks: readonly Block[]): Promise<void>;
  /** A block, its hash checked. @throws DomainError notFound/BLOCK_MISSING, corrupt/RESULT_CORRUPT. */
  get(cid: string): Promise<Uint8Array>;
  /** Keeps all blocks below `cid` for `owner`. @throws DomainError notFound/BLOCK_MISSING when not all are here. */
  pin(cid: string, owner: string, signal: AbortSignal): Promise<void>;
  /** All blocks below a root once, parents first. */
  list(cid: string): AsyncIterable<{ readonly cid: string; readonly sizeBytes: number }>;
  /** True when `cid` is `root` or a block below it, and `root` is pinned. */
  isBelow(root: string, cid: string): boolean;
  /** Removes blocks that were never pinned and are older than `olderThanMs` (milliseconds since 1970). Returns how many. */
  sweep(olderThanMs: number): Promise<number>;
}

/** The cluster's store, to which a node's publisher pushes. Calls end with the signal. */
export interface UpstreamStore {
  /** @throws DomainError unavailable/UPSTREAM_UNAVAILABLE, as do the others. */
  missing(cids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  put(blocks: readonly Block[], signal: AbortSignal): Promise<void>;
  /** @throws also DomainError notFound/BLOCK_MISSING. */
  pin(cid: string, owner: string, signal: AbortSignal): Promise<void>;
}

/** The node's key. */
export interface ManifestSigner {
  /** Ed25519 public key, raw 32 bytes in base64. */
  readonly publicKey: string;
  /** Ed25519 signature in base64. */
  sign(data: Uint8Array): string;
}
