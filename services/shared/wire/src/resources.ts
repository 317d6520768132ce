import { create } from "@bufbuild/protobuf";
import { NO_RESOURCES } from "@skrei/domain";
import type { Resources } from "@skrei/domain";
import { ResourcesSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Resources as PbResources } from "@skrei/proto/skrei/job/v1/spec_pb.ts";

export function resourcesToProto(resources: Resources): PbResources {
  return create(ResourcesSchema, {
    cpuMillis: BigInt(Math.trunc(resources.cpuMillis)),
    memoryBytes: BigInt(Math.trunc(resources.memoryBytes)),
    diskBytes: BigInt(Math.trunc(resources.diskBytes)),
  });
}

/** Nothing at all when absent. */
export function resourcesFromProto(pb: PbResources | undefined): Resources {
  if (pb === undefined) return NO_RESOURCES;
  return { cpuMillis: Number(pb.cpuMillis), memoryBytes: Number(pb.memoryBytes), diskBytes: Number(pb.diskBytes) };
}
