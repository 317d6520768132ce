import type { Pin, StoreState } from "@skrei/domain";
import type { DeliveryTarget } from "./domain/delivery-target.ts";
import type { StagedResult } from "./domain/staged-result.ts";
import type { NamedResult } from "./domain/target-name.ts";

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
  /** Keeps all blocks below `cid` for an owner; a pin that exists keeps the later end. @throws DomainError notFound/BLOCK_MISSING when not all are here. */
  pin(cid: string, keeper: Keeper, signal: AbortSignal): Promise<void>;
  /** Pins by owner, then root. @throws DomainError invalid/PAGE_TOKEN_INVALID, invalid/CONTENT_ID_INVALID. */
  pins(query: PinQuery): PinPage;
  /** Moves the end of pins; undefined is never. Pins that last longer stay as they are, owners without pins are fine. */
  extendPins(owners: readonly string[], expiresAtMs: number | undefined): void;
  /** Ends the pins of owners; what they kept goes at the next collection. Returns how many there were. */
  unpin(owners: readonly string[]): number;
  /** All blocks below a root once, parents first. */
  list(cid: string): AsyncIterable<{ readonly cid: string; readonly sizeBytes: number }>;
  /** True when `cid` is `root` or a block below it, and `root` is pinned. */
  isBelow(root: string, cid: string): boolean;
  /**
   * Removes pins whose time has passed, results that are not pinned, and blocks that no pin needs. A dry run counts the same. What a
   * pin, a lease or a folder that is being staged needs stays, whatever happens at the same time.
   */
  collectGarbage(request: CollectRequest, signal: AbortSignal): Promise<CollectedGarbage>;
  /** A result that the cluster's store has too: from now on only a cache, which goes, least recently used first, when room is needed. */
  markPushed(executionId: string): Promise<void>;
  /** Lets pushed results go as far as the limits demand. Returns how many went. */
  evictPushed(): Promise<number>;
  state(signal: AbortSignal): Promise<Omit<StoreState, "targets">>;
}

/** Who keeps a root. */
export interface Keeper {
  readonly owner: string;
  /** Undefined: for good. */
  readonly expiresAtMs?: number | undefined;
}

export interface PinQuery<Cid = string> {
  readonly ownerPrefix: string;
  /** Undefined: any root. */
  readonly cid: Cid | undefined;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface PinPage {
  readonly pins: readonly Pin[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

export interface CollectRequest {
  readonly isDryRun: boolean;
  readonly nowMs: number;
  /** Blocks that came later may belong to an upload in progress. Milliseconds since 1970. */
  readonly olderThanMs: number;
}

export interface CollectedGarbage {
  readonly pins: number;
  readonly blocks: number;
  readonly sizeBytes: number;
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

/** A result on its way to a target. */
export interface Delivery<Target extends DeliveryTarget = DeliveryTarget> {
  /** Its placeholders are not filled yet. */
  readonly target: Target;
  readonly result: NamedResult & Pick<StagedResult, "cid" | "sizeBytes">;
  /** Bytes of the result that were taken so far; often. */
  readonly onProgress: (bytesDone: number) => void;
}

/** One kind of place for results beside the cluster's store. */
export interface TargetPort<Target extends DeliveryTarget = DeliveryTarget> {
  /** Asks the settings alone. @throws DomainError precondition/TARGET_NOT_OFFERED, which says what the operator must set. */
  check(target: Target): void;
  /**
   * Gives the result to the target and says where it is, once it is there as a whole. Repeating it, also after a crash at any point,
   * gives the same. @throws DomainError precondition/TARGET_NOT_OFFERED, precondition/TARGET_REFUSED, unavailable/TARGET_UNAVAILABLE;
   * those of `ContentStore.get`.
   */
  deliver(delivery: Delivery<Target>, signal: AbortSignal): Promise<string>;
}

/** All of a node's targets. */
export interface Targets extends TargetPort {
  /** What a result without a target of its own gets; undefined when the cluster's store is enough. */
  readonly byDefault: DeliveryTarget | undefined;
  /** Kinds that it publishes to. */
  readonly offered: readonly DeliveryTarget["type"][];
}

/** What was delivered, so that it is not delivered again; survives a power cut. */
export interface DeliveryLog {
  find(executionId: string, target: DeliveryTarget): string | undefined;
  keep(executionId: string, target: DeliveryTarget, url: string): void;
  forget(executionId: string): void;
}
