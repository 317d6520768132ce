import type { Transport } from "@connectrpc/connect";
import { DomainError, type InputSource } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { FetchService } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { inputSourceToProto } from "@skrei/wire/input-source.ts";
import type { FetchedInput, InputPort } from "../ports.ts";

/** The node's storage-fetcher over a Connect transport. */
export function createFetcherClient(transport: Transport): InputPort {
  const client = createClient(FetchService, transport);
  return {
    estimate: async (inputs, signal) => {
      const { missingBytes } = await client.estimateInputs({ inputs: inputs.map(inputSourceToProto) }, { signal });
      return { missingBytes: Number(missingBytes) };
    },
    fetch: async ({ leaseId, input, bytesMax }, signal) => {
      const request = { leaseId, input: inputSourceToProto(input), bytesMax: BigInt(bytesMax) };
      for await (const { event } of client.fetchInput(request, { signal })) {
        if (event.case === "ready")
          return { path: event.value.path, digest: event.value.digest, sizeBytes: Number(event.value.sizeBytes) } satisfies FetchedInput;
      }
      throw unfinished(input);
    },
    release: async (leaseId) => {
      await client.releaseInputs({ leaseId });
    },
  };
}

function unfinished({ target }: InputSource): DomainError {
  return new DomainError("unavailable", "INTERNAL_ERROR", `the storage-fetcher left the input for ${target} unfinished`);
}
