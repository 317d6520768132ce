import { create } from "@bufbuild/protobuf";
import { PlanJobResponseSchema } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { PlanJobRequest, PlanJobResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { jobSpecToProto } from "@skrei/wire/job-spec.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { SpecResolver } from "./resolve-spec.ts";

export async function planJob(deps: SchedulerApiDeps, request: PlanJobRequest, signal: AbortSignal): Promise<PlanJobResponse> {
  const spec = await new SpecResolver(deps, { signal, keepsFolders: false }).resolve(request.spec);
  const nodes = await deps.commands.plan(spec);
  const places = nodes.reduce((sum, { partitions }) => sum + partitions, 0);
  return create(PlanJobResponseSchema, {
    nodes: nodes.map(({ reason, missingBytes, ...plan }) => ({
      ...plan,
      reason: reason ?? "",
      ...(missingBytes !== undefined && { missingBytes: BigInt(Math.trunc(missingBytes)) }),
    })),
    spec: jobSpecToProto(spec),
    placeablePartitions: Math.min(spec.count, places),
  });
}
