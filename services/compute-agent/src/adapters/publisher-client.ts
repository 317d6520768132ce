import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { type ProvenanceSchema, PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { Provenance, ResultPort } from "../ports.ts";

/** The node's publisher over a Connect transport. */
export function createPublisherClient(transport: Transport): ResultPort {
  const client = createClient(PublishService, transport);
  return {
    stage: async ({ executionId, folder, bytesMax }, signal) => {
      const { cid, sizeBytes, skippedPaths } = await client.stageResult({ executionId, folder, bytesMax: BigInt(bytesMax) }, { signal });
      return { cid, sizeBytes: Number(sizeBytes), skippedPaths };
    },
    publish: async ({ executionId, provenance }, signal) => {
      for await (const { event } of client.publishResult({ executionId, provenance: provenanceToProto(provenance) }, { signal })) {
        if (event.case === "done") return { cid: event.value.cid, manifestCid: event.value.manifestCid };
      }
      throw new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", `the publisher left the result of ${executionId} unfinished`);
    },
    drop: async (executionId) => {
      await client.dropResult({ executionId });
    },
  };
}

function provenanceToProto({ startedAtMs, endedAtMs, inputDigests, ...rest }: Provenance): MessageInitShape<typeof ProvenanceSchema> {
  return {
    ...rest,
    inputDigests: { ...inputDigests },
    startTimeMs: BigInt(Math.trunc(startedAtMs)),
    endTimeMs: BigInt(Math.trunc(endedAtMs)),
  };
}
