import { DomainError, hasReason, type Source } from "@skrei/domain";
import { asCacheFull } from "../domain/cache-full.ts";
import { locatorOf } from "../domain/source-locator.ts";
import type {
  CacheEntry,
  FetchTarget,
  InputCache,
  InputSlice,
  InputSlicer,
  LocalPaths,
  SourceAdapter,
  SourceOf,
  TreeLeases,
} from "../ports.ts";
import { type FetchProgress, Flight, type FlightEnd } from "./flight.ts";

/** Where a source's data is now. */
export interface ReadyInput {
  readonly path: string;
  /** Empty for a local path. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly wasCached: boolean;
  /** Bytes that came from elsewhere for this. */
  readonly movedBytes: number;
  /** JSON of the files that a partition got; empty for an input that is not divided. */
  readonly filesPath: string;
  readonly isWritable: boolean;
}

export interface FetchRequest {
  readonly leaseId: string;
  readonly source: Source;
  /** Where the task sees it. */
  readonly target: string;
  readonly bytesMax: number;
  /** Undefined: all of it. */
  readonly slice: InputSlice | undefined;
}

type SourceAdapters = { readonly [Kind in CachedKind]: SourceAdapter<Kind> };
type CachedKind = Exclude<Source["type"], "local">;

export interface InputFetcherParts {
  readonly adapters: SourceAdapters;
  readonly local: LocalPaths;
  readonly cache: InputCache;
  readonly slicer: InputSlicer;
  /** Absent: the node has no publisher of its own. */
  readonly trees: TreeLeases | undefined;
}

/** Makes sources local, each only once at a time however many ask for it. */
export class InputFetcher {
  readonly #parts: InputFetcherParts;
  readonly #flights = new Map<string, Flight>();
  hits = 0;
  misses = 0;
  hitBytes = 0;
  movedBytes = 0;

  constructor(parts: InputFetcherParts) {
    this.#parts = parts;
  }

  /** Bytes that a fetch would move, as far as they are known. @throws DomainError to refuse a bid. */
  async missingBytes(source: Source, slice: InputSlice | undefined, signal: AbortSignal): Promise<number> {
    if (source.type === "local") {
      await this.#parts.local.check(source);
      return 0;
    }
    const adapter = this.#adapterOf(source);
    adapter.check(source);
    const divided = dividedBy(adapter, slice);
    if (await this.#isOnNode(source, divided, signal)) return 0;
    const sizeBytes = await adapter.estimate(source, signal);
    return divided === undefined ? sizeBytes : Math.ceil(sizeBytes / divided.place.count);
  }

  async #isOnNode(source: SourceOf<CachedKind>, divided: InputSlice | undefined, signal: AbortSignal): Promise<boolean> {
    const { cache, trees } = this.#parts;
    const adapter = this.#adapterOf(source);
    // A whole that may have changed is no help for a part, which is asked for by itself.
    const isFixed = adapter.settle !== undefined || divided === undefined;
    const key = adapter.keyOf(source) ?? (isFixed ? cache.findLocator(locatorOf(source, undefined))?.key : undefined);
    if (key === undefined) return false;
    if (cache.has(key)) return true;
    return source.type === "content" && trees !== undefined && (await trees.has(cidOf(key), signal));
  }

  /** Fetches and leases. The work goes on while anybody waits for it. `onProgress` is called for each step of it. */
  async fetch(request: FetchRequest, onProgress: (progress: FetchProgress) => void, signal: AbortSignal): Promise<ReadyInput> {
    const { source, slice } = request;
    const { input, isCut } = await this.#fetchWhole(request, onProgress, signal);
    if (source.type !== "local") this.#count(input);
    if (slice === undefined) return input;
    if (input.isWritable)
      throw new DomainError("invalid", "SOURCE_NOT_DIVISIBLE", "An input that the task may write to cannot be divided among partitions.", {
        hint: "Leave the partition out, or make the input read-only.",
      });
    const sliced = await this.#parts.slicer.slice({ ...input, name: nameOf(request), isCut }, slice, { ...request, signal });
    return { ...input, ...sliced };
  }

  /** All of it, or no more than the partition's part when the source can divide itself. */
  async #fetchWhole(
    request: FetchRequest,
    onProgress: (progress: FetchProgress) => void,
    signal: AbortSignal,
  ): Promise<{ readonly input: ReadyInput; readonly isCut: boolean }> {
    const { local, trees } = this.#parts;
    const { leaseId, bytesMax } = request;
    if (request.source.type === "local") return { input: { ...ON_NODE, ...(await local.resolve(request.source)) }, isCut: false };
    const adapter = this.#adapterOf(request.source);
    adapter.check(request.source);
    const source = await this.#settle(request.source, signal);
    const tree = source.type === "content" ? await trees?.lease(source.cid, leaseId, signal) : undefined;
    const digest = adapter.keyOf(source) ?? "";
    if (tree !== undefined) return { input: within({ ...ON_NODE, ...tree, digest }, bytesMax), isCut: false };
    const isHere = digest !== "" && this.#parts.cache.has(digest);
    const divided = isHere ? undefined : dividedBy(adapter, request.slice);
    const input = await this.#fetchCached({ source, slice: divided, leaseId }, { bytesMax, onProgress, signal });
    // A source may find that there is nothing to divide, such as a single file.
    return { input, isCut: divided !== undefined && input.digest !== digest };
  }

  /** Data that has a digest is cached by it, however it was named. */
  async #settle(source: SourceOf<CachedKind>, signal: AbortSignal): Promise<SourceOf<CachedKind>> {
    const adapter = this.#adapterOf(source);
    if (adapter.settle === undefined || adapter.keyOf(source) !== undefined) return source;
    const locator = locatorOf(source, undefined);
    const knownKey = this.#parts.cache.findLocator(locator)?.key;
    const settled = await adapter.settle(source, knownKey, signal);
    const key = adapter.keyOf(settled);
    if (key !== undefined && key !== knownKey) this.#parts.cache.keepLocator(locator, { key, validators: NO_VALIDATORS });
    return settled;
  }

  async #fetchCached({ source, slice, leaseId }: CachedRequest, waiter: Waiter): Promise<ReadyInput> {
    const { cache } = this.#parts;
    const declared = slice === undefined ? this.#adapterOf(source).keyOf(source) : undefined;
    const known = declared === undefined ? undefined : await cache.lease(declared, leaseId);
    if (known !== undefined) return ready(known, { wasCached: true, movedBytes: 0 }, waiter.bytesMax);
    let movedBytes = 0;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const end = await this.#join(source, slice, waiter);
      movedBytes += end.movedBytes;
      const entry = await cache.lease(end.key, leaseId);
      if (entry !== undefined) return ready(entry, { wasCached: end.wasCached, movedBytes }, waiter.bytesMax);
    }
    throw new DomainError("exhausted", "CACHE_FULL", `What was fetched was removed again ${ATTEMPTS_MAX} times before it could be used.`, {
      hint: "Raise cacheBytesMax; the cache is too small for the work of this node.",
    });
  }

  async #join(source: SourceOf<CachedKind>, slice: InputSlice | undefined, { bytesMax, onProgress, signal }: Waiter): Promise<FlightEnd> {
    const declared = slice === undefined ? this.#adapterOf(source).keyOf(source) : undefined;
    const flightKey = declared ?? locatorOf(source, slice);
    for (;;) {
      const flight = this.#flights.get(flightKey) ?? this.#start(flightKey, { source, slice, bytesMax });
      try {
        const end = await flight.wait(onProgress, signal);
        return { ...end, movedBytes: flight.claimMovedBytes(end) };
      } catch (error) {
        // The first to ask set a lower ceiling than ours.
        if (!hasReason(error, "SOURCE_TOO_LARGE") || flight.bytesMax >= bytesMax) throw error;
      }
    }
  }

  #start(flightKey: string, { bytesMax, ...load }: LoadRequest & { readonly bytesMax: number }): Flight {
    const flight = new Flight(bytesMax, async (target) => await this.#load(load, target));
    this.#flights.set(flightKey, flight);
    const remove = (): void => void this.#flights.delete(flightKey);
    flight.ended.then(remove, remove);
    return flight;
  }

  async #load(
    { source, slice }: LoadRequest,
    { bytesMax, onBytes, signal }: Pick<FetchTarget, "bytesMax" | "onBytes" | "signal">,
  ): Promise<FlightEnd> {
    const { cache } = this.#parts;
    const adapter = this.#adapterOf(source);
    const locator = locatorOf(source, slice);
    // Named as the flight is, of which there is one at a time.
    await using reservation = cache.reserve(adapter.resumes === true ? `${adapter.keyOf(source) ?? ""} ${locator}` : undefined);
    const known = cache.findLocator(locator);
    const validators = known !== undefined && cache.has(known.key) ? known.validators : undefined;
    const covered = (bytesDone: number, bytesTotal: number): void => {
      reservation.cover(Math.max(bytesDone, bytesTotal));
      onBytes(bytesDone, bytesTotal);
    };
    const target = { path: reservation.path, bytesMax, onBytes: covered, signal, validators, slice, partial: reservation.partial };
    const fetched = await adapter.fetch(source, target).catch((error: unknown) => {
      throw asCacheFull(error);
    });
    if (fetched.kind === "unchanged") return { key: known?.key ?? "", wasCached: true, movedBytes: 0 };
    await cache.commit(fetched.digest, reservation, { sizeBytes: fetched.sizeBytes });
    cache.keepLocator(locator, { key: fetched.digest, validators: fetched.validators });
    return { key: fetched.digest, wasCached: false, movedBytes: fetched.sizeBytes };
  }

  #count({ wasCached, sizeBytes, movedBytes }: ReadyInput): void {
    if (wasCached) this.hits += 1;
    else this.misses += 1;
    if (wasCached) this.hitBytes += sizeBytes;
    this.movedBytes += movedBytes;
  }

  #adapterOf(source: SourceOf<CachedKind>): SourceAdapter<CachedKind> {
    // One adapter for each kind; the type system cannot see that source and adapter are of the same one.
    return this.#parts.adapters[source.type] as SourceAdapter<CachedKind>;
  }
}

interface LoadRequest {
  readonly source: SourceOf<CachedKind>;
  readonly slice: InputSlice | undefined;
}

interface CachedRequest extends LoadRequest {
  readonly leaseId: string;
}

interface Waiter {
  readonly bytesMax: number;
  readonly onProgress: (progress: FetchProgress) => void;
  readonly signal: AbortSignal;
}

/** The slice, if the source itself gives out a partition's part. */
function dividedBy(adapter: SourceAdapter<CachedKind>, slice: InputSlice | undefined): InputSlice | undefined {
  return slice !== undefined && adapter.divides?.(slice.partition) === true ? slice : undefined;
}

function ready({ key, path, sizeBytes }: CacheEntry, how: Pick<ReadyInput, "wasCached" | "movedBytes">, bytesMax: number): ReadyInput {
  return within({ ...ON_NODE, ...how, path, digest: key, sizeBytes }, bytesMax);
}

function within(input: ReadyInput, bytesMax: number): ReadyInput {
  if (input.sizeBytes <= bytesMax) return input;
  throw new DomainError("exhausted", "SOURCE_TOO_LARGE", `The input has ${input.sizeBytes} bytes; ${bytesMax} are allowed.`, {
    hint: "Ask for more disk in the job's resources.",
  });
}

function cidOf(key: string): string {
  return key.replace(/^cid:/u, "");
}

/** What a single file is called where it comes from, or else where the task sees it. */
function nameOf({ source, target }: FetchRequest): string {
  return ownNameOf(source) || lastSegment(target) || "data";
}

function ownNameOf(source: Source): string {
  switch (source.type) {
    case "local":
    case "content":
      return lastSegment(source.path);
    case "http":
      return lastSegment(URL.parse(source.url)?.pathname ?? "");
    case "s3":
      return lastSegment(source.key);
    case "inline":
      return "";
  }
}

function lastSegment(path: string): string {
  return path.split("/").findLast((segment) => segment !== "") ?? "";
}

const ON_NODE = { path: "", digest: "", sizeBytes: 0, wasCached: true, movedBytes: 0, filesPath: "", isWritable: false } as const;
const NO_VALIDATORS = { etag: "", lastModified: "" };
const ATTEMPTS_MAX = 3;
