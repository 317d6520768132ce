import { DomainError, hasReason, type Source } from "@skrei/domain";
import type { CacheEntry, FetchTarget, InputCache, LocalPaths, SourceAdapter, SourceOf } from "../ports.ts";

/** Where a source's data is now. */
export interface ReadyInput {
  readonly path: string;
  /** Empty for a local path. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly wasCached: boolean;
}

export interface FetchRequest {
  readonly leaseId: string;
  readonly source: Source;
  readonly bytesMax: number;
}

export interface FetchProgress {
  readonly bytesDone: number;
  /** 0 when unknown. */
  readonly bytesTotal: number;
}

export type SourceAdapters = { readonly [Kind in CachedKind]: SourceAdapter<Kind> };
type CachedKind = Exclude<Source["type"], "local">;

/** Makes sources local, each only once at a time however many ask for it. */
export class InputFetcher {
  readonly #adapters: SourceAdapters;
  readonly #local: LocalPaths;
  readonly #cache: InputCache;
  readonly #flights = new Map<string, Flight>();
  hits = 0;
  misses = 0;

  constructor({ adapters, local, cache }: { readonly adapters: SourceAdapters; readonly local: LocalPaths; readonly cache: InputCache }) {
    this.#adapters = adapters;
    this.#local = local;
    this.#cache = cache;
  }

  /** Bytes that a fetch would move. @throws DomainError to refuse a bid. */
  async missingBytes(source: Source, signal: AbortSignal): Promise<number> {
    if (source.type === "local") {
      await this.#local.resolve(source.path);
      return 0;
    }
    const adapter = this.#adapterOf(source);
    adapter.check(source);
    const key = adapter.keyOf(source) ?? this.#cache.findLocator(locatorOf(source))?.key;
    return key !== undefined && this.#cache.has(key) ? 0 : await adapter.estimate(source, signal);
  }

  /** Fetches and leases. The work goes on while anybody waits for it. `onProgress` is called for each step of it. */
  async fetch(request: FetchRequest, onProgress: (progress: FetchProgress) => void, signal: AbortSignal): Promise<ReadyInput> {
    const { leaseId, bytesMax } = request;
    if (request.source.type === "local") return { ...(await this.#local.resolve(request.source.path)), digest: "", wasCached: true };
    const adapter = this.#adapterOf(request.source);
    adapter.check(request.source);
    const source = await this.#settle(request.source, signal);
    const declared = adapter.keyOf(source);
    const known = declared === undefined ? undefined : await this.#cache.lease(declared, leaseId);
    if (known !== undefined) return this.#ready(known, { wasCached: true, bytesMax });
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const { key, wasCached } = await this.#join(source, { bytesMax, onProgress, signal });
      const entry = await this.#cache.lease(key, leaseId);
      if (entry !== undefined) return this.#ready(entry, { wasCached, bytesMax });
    }
    throw new DomainError("exhausted", "CACHE_FULL", `What was fetched was removed again ${ATTEMPTS_MAX} times before it could be used.`, {
      hint: "Raise cacheBytesMax; the cache is too small for the work of this node.",
    });
  }

  /** Data that has a digest is cached by it, however it was named. */
  async #settle(source: SourceOf<CachedKind>, signal: AbortSignal): Promise<SourceOf<CachedKind>> {
    const adapter = this.#adapterOf(source);
    if (adapter.settle === undefined || adapter.keyOf(source) !== undefined) return source;
    const locator = locatorOf(source);
    const knownKey = this.#cache.findLocator(locator)?.key;
    const settled = await adapter.settle(source, knownKey, signal);
    const key = adapter.keyOf(settled);
    if (key !== undefined && key !== knownKey) this.#cache.keepLocator(locator, { key, validators: { etag: "", lastModified: "" } });
    return settled;
  }

  #ready(
    { key, path, sizeBytes }: CacheEntry,
    { wasCached, bytesMax }: { readonly wasCached: boolean; readonly bytesMax: number },
  ): ReadyInput {
    if (sizeBytes > bytesMax)
      throw new DomainError("exhausted", "SOURCE_TOO_LARGE", `The input has ${sizeBytes} bytes; ${bytesMax} are allowed.`, {
        hint: "Ask for more disk in the job's resources.",
      });
    if (wasCached) this.hits += 1;
    else this.misses += 1;
    return { path, digest: key, sizeBytes, wasCached };
  }

  async #join(source: SourceOf<CachedKind>, { bytesMax, onProgress, signal }: Waiter): Promise<FlightEnd> {
    const flightKey = this.#adapterOf(source).keyOf(source) ?? locatorOf(source);
    for (;;) {
      const flight = this.#flights.get(flightKey) ?? this.#start(flightKey, source, bytesMax);
      try {
        return await flight.wait(onProgress, signal);
      } catch (error) {
        // The first to ask set a lower ceiling than ours.
        if (!hasReason(error, "SOURCE_TOO_LARGE") || flight.bytesMax >= bytesMax) throw error;
      }
    }
  }

  #start(flightKey: string, source: SourceOf<CachedKind>, bytesMax: number): Flight {
    const flight = new Flight(bytesMax, async (target) => await this.#load(source, target));
    this.#flights.set(flightKey, flight);
    const remove = (): void => void this.#flights.delete(flightKey);
    flight.ended.then(remove, remove);
    return flight;
  }

  async #load(
    source: SourceOf<CachedKind>,
    { bytesMax, onBytes, signal }: Pick<FetchTarget, "bytesMax" | "onBytes" | "signal">,
  ): Promise<FlightEnd> {
    await using reservation = this.#cache.reserve();
    const locator = locatorOf(source);
    const known = this.#cache.findLocator(locator);
    const validators = known !== undefined && this.#cache.has(known.key) ? known.validators : undefined;
    const covered = (bytesDone: number, bytesTotal: number): void => {
      reservation.cover(Math.max(bytesDone, bytesTotal));
      onBytes(bytesDone, bytesTotal);
    };
    const fetched = await this.#adapterOf(source).fetch(source, { path: reservation.path, bytesMax, onBytes: covered, signal, validators });
    if (fetched.kind === "unchanged") return { key: known?.key ?? "", wasCached: true };
    await this.#cache.commit(fetched.digest, reservation, fetched.sizeBytes);
    this.#cache.keepLocator(locator, { key: fetched.digest, validators: fetched.validators });
    return { key: fetched.digest, wasCached: false };
  }

  #adapterOf(source: SourceOf<CachedKind>): SourceAdapter<CachedKind> {
    // One adapter for each kind; the type system cannot see that source and adapter are of the same one.
    return this.#adapters[source.type] as SourceAdapter<CachedKind>;
  }
}

interface Waiter {
  readonly bytesMax: number;
  readonly onProgress: (progress: FetchProgress) => void;
  readonly signal: AbortSignal;
}

interface FlightEnd {
  readonly key: string;
  readonly wasCached: boolean;
}

/** One fetch with all who wait for it. It is cancelled when the last of them leaves. */
class Flight {
  readonly bytesMax: number;
  readonly ended: Promise<FlightEnd>;
  readonly #controller = new AbortController();
  readonly #waiting = new Set<(progress: FetchProgress) => void>();

  constructor(bytesMax: number, load: (target: Pick<FetchTarget, "bytesMax" | "onBytes" | "signal">) => Promise<FlightEnd>) {
    this.bytesMax = bytesMax;
    const onBytes = (bytesDone: number, bytesTotal: number): void => {
      for (const tell of this.#waiting) tell({ bytesDone, bytesTotal });
    };
    this.ended = load({ bytesMax, onBytes, signal: this.#controller.signal });
  }

  async wait(onProgress: (progress: FetchProgress) => void, signal: AbortSignal): Promise<FlightEnd> {
    signal.throwIfAborted();
    this.#waiting.add(onProgress);
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([this.ended, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      this.#waiting.delete(onProgress);
      if (this.#waiting.size === 0)
        this.#controller.abort(new DomainError("cancelled", "CANCELLED", "Nobody waits for the fetch any more."));
    }
  }
}

/** What names a source apart from its data. */
function locatorOf(source: SourceOf<CachedKind>): string {
  switch (source.type) {
    case "http":
      return `http:${source.url}`;
    case "content":
      return `content:${source.cid}/${source.path}`;
    case "inline":
      return "inline:";
  }
}

const ATTEMPTS_MAX = 3;
