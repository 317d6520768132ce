import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client, Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { type ProvenanceSchema, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { storeStateFromProto } from "@skrei/wire/data-state.ts";
import { publisherToProto } from "@skrei/wire/publisher.ts";
import type { Provenance, PublishRequest, PublishedResult, ResultPort } from "../ports.ts";

/** The node's publisher over a Connect transport. */
export function createPublisherClient(transport: Transport): ResultPort {
  const client = createClient(PublishService, transport);
  const store = createClient(StoreService, transport);
  return {
    stage: async ({ executionId, folder, bytesMax }, signal) => {
      const { cid, sizeBytes, skippedPaths } = await client.stageResult({ executionId, folder, bytesMax: BigInt(bytesMax) }, { signal });
      return { cid, sizeBytes: Number(sizeBytes), skippedPaths };
    },
    check: async (publisher, signal) => {
      await client.checkTarget({ publisher: publisherToProto(publisher) }, { signal });
    },
    publish: async (request, signal) => await publish(client, request, signal),
    drop: async (executionId, { staysInCluster }) => {
      await client.dropResult({ executionId, staysInCluster });
    },
    state: async (signal) => storeStateFromProto(await store.getStoreState({}, { signal })),
  };
}

async function publish(
  client: Client<typeof PublishService>,
  { executionId, provenance, publisher, onProgress, onKept }: PublishRequest,
  signal: AbortSignal,
): Promise<PublishedResult> {
  const request = { executionId, provenance: provenanceToProto(provenance), publisher: publisherToProto(publisher) };
  for await (const { event } of client.publishResult(request, { signal })) {
    if (event.case === "done") {
      const { cid, manifestCid, deliveryUrl } = event.value;
      return { cid, manifestCid, deliveryUrl };
    }
    if (event.case === "kept") onKept?.(event.value.manifestCid);
    if (event.case === "progress") onProgress({ bytesDone: Number(event.value.bytesDone), bytesTotal: Number(event.value.bytesTotal) });
  }
  throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `the publisher left the result of ${executionId} unfinished`);
}

function provenanceToProto({ startedAtMs, endedAtMs, inputDigests, ...rest }: Provenance): MessageInitShape<typeof ProvenanceSchema> {
  return {
    ...rest,
    inputDigests: { ...inputDigests },
    startTimeMs: BigInt(Math.trunc(startedAtMs)),
    endTimeMs: BigInt(Math.trunc(endedAtMs)),
  };
}
