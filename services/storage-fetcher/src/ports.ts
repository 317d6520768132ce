import type { CacheState, InputPartition, LocalSource, Source } from "@skrei/domain";
import type { InputSlice } from "./domain/input-slice.ts";

export type { InputSlice } from "./domain/input-slice.ts";

/** Time, passed in so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** Where a fetch writes, and what it may write. */
export interface FetchTarget {
  /** Absolute path that does not exist yet; the fetch makes a file or a folder there. */
  readonly path: string;
  /** More is refused while streaming. */
  readonly bytesMax: number;
  /** Called with the sum of bytes so far, and of all if known (0 otherwise), before they are kept. @throws exhausted/CACHE_FULL. */
  readonly onBytes: (bytesDone: number, bytesTotal: number) => void;
  readonly signal: AbortSignal;
  /** From the last fetch of the same source, if its data is still cached: may be answered by `unchanged`. */
  readonly validators: Validators | undefined;
  /** Only this part is fetched. Undefined for adapters that do not divide it (see `divides`): those fetch the whole. */
  readonly slice: InputSlice | undefined;
  /** Where a fetch goes on that was cut; undefined unless the adapter resumes. */
  readonly partial: PartialDownload | undefined;
}

/** What an origin says to recognise a version of its data. */
export interface Validators {
  /** Empty when there is none. */
  readonly etag: string;
  readonly lastModified: string;
}

export type Fetched =
  | { readonly kind: "fetched"; readonly digest: string; readonly sizeBytes: number; readonly validators: Validators }
  | { readonly kind: "unchanged" };

/** One kind of source whose data is copied into the cache. Safe for concurrent use. */
export interface SourceAdapter<Kind extends Source["type"] = Source["type"]> {
  /** The digest that the data must have, such as `sha256:…` or `cid:…`; undefined when only a fetch can tell. */
  keyOf(source: SourceOf<Kind>): string | undefined;
  /**
   * For a source without a key: the source that names the same data for good, by its digest. `knownKey` is what it was last time.
   * Absent when the data behind a source may change.
   * @throws DomainError SOURCE_UNREACHABLE.
   */
  settle?(source: SourceOf<Kind>, knownKey: string | undefined, signal: AbortSignal): Promise<SourceOf<Kind>>;
  /** The source itself gives out a partition's part, so that only that is fetched. Absent: never; the whole is fetched and then cut. */
  divides?(partition: InputPartition): boolean;
  /** A fetch that was cut goes on where it was, also in a later process; `target.partial` is set. */
  readonly resumes?: true;
  /** Refuses what the operator does not allow, without asking the source. @throws DomainError forbidden/SOURCE_NOT_ALLOWED. */
  check(source: SourceOf<Kind>): void;
  /** Bytes of the whole, 0 when unknown. @throws DomainError forbidden/SOURCE_NOT_ALLOWED. */
  estimate(source: SourceOf<Kind>, signal: AbortSignal): Promise<number>;
  /**
   * Writes the data, verified, to `target.path`. On failure what it wrote is the caller's to remove.
   * @throws DomainError SOURCE_NOT_ALLOWED, SOURCE_UNREACHABLE, SOURCE_TOO_LARGE, SOURCE_SIZE_MISMATCH, SOURCE_DIGEST_MISMATCH.
   */
  fetch(source: SourceOf<Kind>, target: FetchTarget): Promise<Fetched>;
}

export type SourceOf<Kind extends Source["type"]> = Extract<Source, { readonly type: Kind }>;

/** Sources that are read, or written, where they are. */
export interface LocalPaths {
  /**
   * The real path, if it lies below an allowed root; a missing one is made if the source says so and the root is writable.
   * @throws DomainError forbidden/SOURCE_NOT_ALLOWED, unavailable/SOURCE_UNREACHABLE.
   */
  resolve(source: LocalSource): Promise<LocalPath>;
  /** As `resolve`, but makes nothing. */
  check(source: LocalSource): Promise<void>;
}

export interface LocalPath {
  readonly path: string;
  /** 0 for a folder. */
  readonly sizeBytes: number;
  readonly isWritable: boolean;
}

/** Files and folders that the node's own publisher holds as such: they are read in place. */
export interface TreeLeases {
  /** Undefined when it is not there as a whole, or the publisher does not answer. The tree stays until `release`. */
  lease(cid: string, leaseId: string, signal: AbortSignal): Promise<{ readonly path: string; readonly sizeBytes: number } | undefined>;
  /** As `lease`, but holds nothing. */
  has(cid: string, signal: AbortSignal): Promise<boolean>;
  /** Unknown leases are fine. What could not be released is released with a later one. */
  release(leaseId: string): Promise<void>;
}

/** An input on the node of which a partition gets a part. */
export interface DividedInput {
  /** A file or a folder, which stays as long as the lease. */
  readonly path: string;
  /** What a single file is called where it comes from. */
  readonly name: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** Its source gave out no more than the partition's part: nothing is left to cut, only to list. */
  readonly isCut: boolean;
}

export interface SlicedInput {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** JSON of the files that the partition got; it stays as long as the lease. */
  readonly filesPath: string;
}

/** Cuts a partition's part from an input that is on the node. Safe for concurrent use; the same part is cut once. */
export interface InputSlicer {
  /** @throws DomainError invalid/SOURCE_NOT_DIVISIBLE, exhausted/SOURCE_TOO_LARGE, exhausted/CACHE_FULL. */
  slice(input: DividedInput, slice: InputSlice, use: SliceUse): Promise<SlicedInput>;
}

export interface SliceUse {
  readonly leaseId: string;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}

export interface CacheEntry {
  readonly key: string;
  /** Absolute, read-only; a file or a folder. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** What the disk shows of the cache. */
export type CacheRoomState = Omit<CacheState, "hits" | "misses" | "hitBytes" | "movedBytes">;

/** What arrived of a download. It survives kill -9 for a day, unless the room is needed. */
export interface PartialDownload {
  /** What lies at the target's path from before, and of which version it is; undefined: nothing does. */
  readonly found: { readonly sizeBytes: number; readonly validators: Validators } | undefined;
  /** The first `sizeBytes` at the path are on the disk and of that version. */
  keep(sizeBytes: number, validators: Validators): void;
  /** What lies there is of no use for a later fetch. */
  drop(): void;
}

/** Room in the cache for something on its way; disposing removes what was written there and neither committed nor kept. */
export interface Reservation extends AsyncDisposable {
  /** Absolute path for it, outside of what is cached. */
  readonly path: string;
  /** Set when the reservation has a name. */
  readonly partial: PartialDownload | undefined;
  /**
   * Makes room for so many bytes in all, by removing what was not used for longest, and sees that enough of the disk stays free.
   * @throws DomainError exhausted/CACHE_FULL.
   */
  cover(sizeBytes: number): void;
}

/** How much of the disk an entry takes. */
export interface EntrySize {
  readonly sizeBytes: number;
  /** Bytes of those that are links to files of the entry at `path`, and take room once. */
  readonly shared?: { readonly path: string; readonly sizeBytes: number };
}

/** Inputs of this node by digest. What is leased is never removed. Survives kill -9: what is not whole is not there. */
export interface InputCache {
  /** Leases an entry and returns it; undefined when it is not there or was changed on the disk (then it is forgotten). */
  lease(key: string, leaseId: string): Promise<CacheEntry | undefined>;
  has(key: string): boolean;
  /** Whether a path is that of an entry. */
  owns(path: string): boolean;
  /** With a name, what is kept of it is found again under that name. One at a time for each name. */
  reserve(name?: string): Reservation;
  /** Seals what was written to the reservation's path and makes it an entry, or drops it when the key is there already. */
  commit(key: string, reservation: Reservation, size: EntrySize): Promise<void>;
  /** Unknown leases are fine. */
  release(leaseId: string): void;
  /** What was learnt of a locator, such as a URL. */
  findLocator(locator: string): { readonly key: string; readonly validators: Validators } | undefined;
  keepLocator(locator: string, known: { readonly key: string; readonly validators: Validators }): void;
  state(): CacheRoomState;
}
