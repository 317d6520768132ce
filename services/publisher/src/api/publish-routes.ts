import type { ServiceImpl } from "@connectrpc/connect";
import type { PublishService, Provenance as PbProvenance } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { DomainError } from "@skrei/domain";
import type { Provenance } from "../domain/manifest.ts";
import { publishResult, type PublishPorts } from "../loops/publish-result.ts";

/** PublishService: staged and published results of this node. */
export function publishHandlers(ports: PublishPorts): Omit<ServiceImpl<typeof PublishService>, "leaseTree" | "releaseTrees"> {
  return {
    stageResult: async ({ executionId, folder, bytesMax }, { signal }) => {
      const staged = await ports.store.stage({ executionId, folder: absolute(folder), bytesMax: Number(bytesMax) }, signal);
      return { cid: staged.cid, sizeBytes: BigInt(staged.sizeBytes), skippedPaths: [...staged.skippedPaths] };
    },
    publishResult: async function* ({ executionId, provenance }, { signal }) {
      if (provenance === undefined)
        throw new DomainError("invalid", "FIELD_REQUIRED", "The request has no provenance.", {
          hint: "Say which job, partition and node made the result.",
        });
      for await (const event of publishResult(ports, executionId, provenanceFromProto(provenance), signal)) {
        if (event.kind === "done") yield { event: { case: "done", value: { cid: event.cid, manifestCid: event.manifestCid } } };
        else yield { event: { case: "progress", value: { bytesDone: BigInt(event.bytesDone), bytesTotal: BigInt(event.bytesTotal) } } };
      }
    },
    dropResult: async ({ executionId }) => {
      await ports.store.drop(executionId);
      return {};
    },
  };
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
