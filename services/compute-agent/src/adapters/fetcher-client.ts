import type { Transport } from "@connectrpc/connect";
import { DomainError, type InputSource } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { FetchService, type FetchInputResponse_Ready } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { cacheStateFromProto } from "@skrei/wire/data-state.ts";
import { inputSourceToProto } from "@skrei/wire/input-source.ts";
import type { FetchedInput, InputPort } from "../ports.ts";

/** The node's storage-fetcher over a Connect transport. */
export function createFetcherClient(transport: Transport): InputPort {
  const client = createClient(FetchService, transport);
  return {
    estimate: async (inputs, partitionCount, signal) => {
      const { missingBytes } = await client.estimateInputs({ inputs: inputs.map(inputSourceToProto), partitionCount }, { signal });
      return { missingBytes: Number(missingBytes) };
    },
    fetch: async ({ leaseId, input, bytesMax, partition, onProgress }, signal) => {
      const place = { partitionIndex: partition.index, partitionCount: partition.count };
      const request = { leaseId, input: inputSourceToProto(input), bytesMax: BigInt(bytesMax), ...place };
      for await (const { event } of client.fetchInput(request, { signal })) {
        if (event.case === "ready") return fetchedFromProto(event.value);
        if (event.case === "progress") onProgress({ bytesDone: Number(event.value.bytesDone), bytesTotal: Number(event.value.bytesTotal) });
      }
      throw unfinished(input);
    },
    release: async (leaseId) => {
      await client.releaseInputs({ leaseId });
    },
    state: async (signal) => cacheStateFromProto(await client.getCacheState({}, { signal })),
  };
}

function fetchedFromProto({ path, digest, sizeBytes, movedBytes, filesPath, writable }: FetchInputResponse_Ready): FetchedInput {
  return { path, digest, sizeBytes: Number(sizeBytes), movedBytes: Number(movedBytes), filesPath, isWritable: writable };
}

function unfinished({ target }: InputSource): DomainError {
  return new DomainError("unavailable", "INTERNAL_ERROR", `the storage-fetcher left the input for ${target} unfinished`);
}
