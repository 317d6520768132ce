import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { CollectDataGarbageResponseSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { CollectDataGarbageRequest, CollectDataGarbageResponse, DataService } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { contentStoreOf } from "./content-store-of.ts";
import { getDataState } from "./data-state.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { listData } from "./list-data.ts";
import { pinData } from "./pin-data.ts";
import { removeData } from "./remove-data.ts";

export function createDataService(deps: SchedulerApiDeps): ServiceImpl<typeof DataService> {
  return {
    listData: (request, { signal }) => listData(deps, request, signal),
    pinData: (request, { signal }) => pinData(deps, request, signal),
    removeData: (request, { signal }) => removeData(deps, request, signal),
    collectDataGarbage: (request, { signal }) => collectDataGarbage(deps, request, signal),
    getDataState: (request, { signal }) => getDataState(deps, request, signal),
  };
}

async function collectDataGarbage(
  deps: SchedulerApiDeps,
  { dryRun }: CollectDataGarbageRequest,
  signal: AbortSignal,
): Promise<CollectDataGarbageResponse> {
  const { pins, blocks, sizeBytes } = await contentStoreOf(deps).collectGarbage({ isDryRun: dryRun }, signal);
  return create(CollectDataGarbageResponseSchema, { collected: { pins, blocks: BigInt(blocks), sizeBytes: BigInt(sizeBytes) } });
}
