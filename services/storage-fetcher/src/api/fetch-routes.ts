import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { inputSourceFromProto } from "@skrei/wire/input-source.ts";
import type { FetchProgress, InputFetcher, ReadyInput } from "../loops/fetch-input.ts";
import type { Clock, InputCache } from "../ports.ts";

export interface FetchPorts {
  readonly fetcher: InputFetcher;
  readonly cache: InputCache;
}

export interface FetchTimes {
  readonly clock: Clock;
  readonly estimateTimeoutMs: number;
}

/** FetchService: inputs of this node's executions. */
export function fetchHandlers(ports: FetchPorts, { clock, estimateTimeoutMs }: FetchTimes): ServiceImpl<typeof FetchService> {
  return {
    estimateInputs: async ({ inputs }, { signal }) => {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(estimateTimeoutMs)]);
      const sizes = await Promise.all(
        inputs.map(async (input) => await ports.fetcher.missingBytes(inputSourceFromProto(input).source, bounded)),
      );
      return { missingBytes: BigInt(sizes.reduce((sum, bytes) => sum + bytes, 0)) };
    },
    fetchInput: async function* ({ leaseId, input, bytesMax }, { signal }) {
      if (input === undefined || leaseId === "")
        throw new DomainError("invalid", "FIELD_REQUIRED", "The request needs a lease id and an input.", {
          hint: "Use the execution's id as lease id.",
        });
      const request = { leaseId, source: inputSourceFromProto(input).source, bytesMax: Number(bytesMax) };
      for await (const event of fetchEvents(ports.fetcher, request, { clock, signal })) {
        if ("path" in event) yield { event: { case: "ready", value: { ...event, sizeBytes: BigInt(event.sizeBytes) } } };
        else yield { event: { case: "progress", value: { bytesDone: BigInt(event.bytesDone), bytesTotal: BigInt(event.bytesTotal) } } };
      }
    },
    releaseInputs: ({ leaseId }) => {
      ports.cache.release(leaseId);
      return {};
    },
    getCacheState: () => {
      const { entries, sizeBytes, pinnedEntries } = ports.cache.state();
      return {
        entries,
        sizeBytes: BigInt(sizeBytes),
        pinnedEntries,
        hits: BigInt(ports.fetcher.hits),
        misses: BigInt(ports.fetcher.misses),
      };
    },
  };
}

/** Progress four times a second at most, then the ready input. Leaving the iteration leaves the fetch. */
async function* fetchEvents(
  fetcher: InputFetcher,
  request: Parameters<InputFetcher["fetch"]>[0],
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<FetchProgress | ReadyInput> {
  const left = new AbortController();
  let progress: FetchProgress | undefined;
  const ready = fetcher.fetch(request, (latest) => (progress = latest), AbortSignal.any([signal, left.signal]));
  try {
    for (;;) {
      const first = await Promise.race([ready, clock.sleep(PROGRESS_INTERVAL_MS, left.signal).then(() => undefined)]);
      if (first !== undefined) return yield first;
      if (progress !== undefined) yield progress;
      progress = undefined;
    }
  } finally {
    left.abort();
    await ready.catch(() => undefined); // Was thrown by the race, or nobody is there to hear it.
  }
}

const PROGRESS_INTERVAL_MS = 250;
