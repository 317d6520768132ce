import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  Provenance as PbProvenance,
  PublishResultResponseSchema,
  PublishService,
} from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { Publisher as PbPublisher } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { DomainError, type Publisher } from "@skrei/domain";
import { publisherFromProto } from "@skrei/wire/publisher.ts";
import { resolveTarget } from "../domain/delivery-target.ts";
import type { Provenance } from "../domain/manifest.ts";
import { letGo, type PublishEvent, publishResult, type PublishPorts } from "../loops/publish-result.ts";

/** PublishService: staged and published results of this node. */
export function publishHandlers(ports: PublishPorts): Omit<ServiceImpl<typeof PublishService>, "leaseTree" | "releaseTrees"> {
  return {
    stageResult: async ({ executionId, folder, bytesMax }, { signal }) => {
      const staged = await ports.store.stage({ executionId, folder: absolute(folder), bytesMax: Number(bytesMax) }, signal);
      return { cid: staged.cid, sizeBytes: BigInt(staged.sizeBytes), skippedPaths: [...staged.skippedPaths] };
    },
    checkTarget: async ({ publisher }) => {
      const target = resolveTarget(publisherOf(publisher), ports.targets.byDefault);
      if (target !== undefined) ports.targets.check(target);
      return {};
    },
    publishResult: async function* ({ executionId, provenance, publisher }, { signal }) {
      if (provenance === undefined)
        throw new DomainError("invalid", "FIELD_REQUIRED", "The request has no provenance.", {
          hint: "Say which job, partition and node made the result.",
        });
      const request = { executionId, provenance: provenanceFromProto(provenance), publisher: publisherOf(publisher) };
      for await (const event of publishResult(ports, request, signal)) yield { event: eventToProto(event) };
    },
    dropResult: async ({ executionId, staysInCluster }) => {
      if (staysInCluster) await letGo(ports, executionId);
      else await ports.store.drop(executionId);
      ports.deliveries.forget(executionId);
      return {};
    },
  };
}

function eventToProto(event: PublishEvent): NonNullable<MessageInitShape<typeof PublishResultResponseSchema>["event"]> {
  if (event.kind === "done") {
    const { cid, manifestCid, deliveryUrl } = event;
    return { case: "done", value: { cid, manifestCid, deliveryUrl } };
  }
  if (event.kind === "kept") return { case: "kept", value: { cid: event.cid, manifestCid: event.manifestCid } };
  return { case: "progress", value: { bytesDone: BigInt(event.bytesDone), bytesTotal: BigInt(event.bytesTotal) } };
}

function publisherOf(pb: PbPublisher | undefined): Publisher {
  const publisher = publisherFromProto(pb);
  if (publisher !== undefined) return publisher;
  throw new DomainError("precondition", "TARGET_NOT_OFFERED", "The node does not know this kind of publishing target.", {
    hint: "The operator installs a newer version.",
  });
}

function absolute(folder: string): string {
  if (folder.startsWith("/")) return folder;
  throw new DomainError("invalid", "FIELD_INVALID", `The folder "${folder.slice(0, 128)}" is not an absolute path.`, {
    hint: "Send the absolute path of the result folder.",
  });
}

function provenanceFromProto(pb: PbProvenance): Provenance {
  const { jobId, jobVersion, partition, nodeId, engine, imageDigest, inputDigests, exitCode } = pb;
  const times = { startedAtMs: Number(pb.startTimeMs), endedAtMs: Number(pb.endTimeMs) };
  return { jobId, jobVersion, partition, nodeId, engine, imageDigest, inputDigests: { ...inputDigests }, exitCode, ...times };
}
