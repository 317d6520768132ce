import type { ServiceImpl } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { DomainError, type PartitionPlace } from "@skrei/domain";
import type { FetchInputResponse_ReadySchema, FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import type { InputSource as PbInputSource } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { cacheStateToProto } from "@skrei/wire/data-state.ts";
import { inputSourceFromProto } from "@skrei/wire/input-source.ts";
import type { FetchRequest, InputFetcher, ReadyInput } from "../loops/fetch-input.ts";
import type { FetchProgress } from "../loops/flight.ts";
import type { Clock, InputCache, TreeLeases } from "../ports.ts";

export interface FetchPorts {
  readonly fetcher: InputFetcher;
  readonly cache: InputCache;
  readonly trees: TreeLeases | undefined;
}

export interface FetchTimes {
  readonly clock: Clock;
  readonly estimateTimeoutMs: number;
}

/** FetchService: inputs of this node's executions. */
export function fetchHandlers(ports: FetchPorts, { clock, estimateTimeoutMs }: FetchTimes): ServiceImpl<typeof FetchService> {
  return {
    estimateInputs: async ({ inputs, partitionCount }, { signal }) => {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(estimateTimeoutMs)]);
      const sizes = await Promise.all(
        inputs.map(async (pb) => {
          // Whichever partition it will be: all are about as large.
          const { source, slice } = requestedInput(pb, { index: 0, count: partitionCount });
          return await ports.fetcher.missingBytes(source, slice, bounded);
        }),
      );
      return { missingBytes: BigInt(sizes.reduce((sum, bytes) => sum + bytes, 0)) };
    },
    fetchInput: async function* ({ leaseId, input, bytesMax, partitionIndex: index, partitionCount: count }, { signal }) {
      if (input === undefined || leaseId === "")
        throw new DomainError("invalid", "FIELD_REQUIRED", "The request needs a lease id and an input.", {
          hint: "Use the execution's id as lease id.",
        });
      const request = { leaseId, ...requestedInput(input, { index, count }), bytesMax: Number(bytesMax) };
      for await (const event of fetchEvents(ports.fetcher, request, { clock, signal })) {
        if ("path" in event) yield { event: { case: "ready", value: readyToProto(event) } };
        else yield { event: { case: "progress", value: { bytesDone: BigInt(event.bytesDone), bytesTotal: BigInt(event.bytesTotal) } } };
      }
    },
    releaseInputs: async ({ leaseId }) => {
      ports.cache.release(leaseId);
      await ports.trees?.release(leaseId);
      return {};
    },
    getCacheState: () => {
      const { hits, misses, hitBytes, movedBytes } = ports.fetcher;
      return cacheStateToProto({ ...ports.cache.state(), hits, misses, hitBytes, movedBytes });
    },
  };
}

function requestedInput(pb: PbInputSource, { index, count }: PartitionPlace): Pick<FetchRequest, "source" | "target" | "slice"> {
  const { source, target, partition } = inputSourceFromProto(pb);
  return { source, target, slice: partition === undefined ? undefined : { partition, place: { index, count: Math.max(count, 1) } } };
}

function readyToProto({ sizeBytes, movedBytes, isWritable, ...ready }: ReadyInput): ReadyInit {
  return { ...ready, sizeBytes: BigInt(sizeBytes), movedBytes: BigInt(movedBytes), writable: isWritable };
}

type ReadyInit = Omit<MessageInitShape<typeof FetchInputResponse_ReadySchema>, "$typeName">;

/** Progress four times a second at most, then the ready input. Leaving the iteration leaves the fetch. */
async function* fetchEvents(
  fetcher: InputFetcher,
  request: FetchRequest,
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
