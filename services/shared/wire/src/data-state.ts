import { create } from "@bufbuild/protobuf";
import type { CacheState, Pin, StoreState } from "@skrei/domain";
import { GetCacheStateResponseSchema } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import type { GetCacheStateResponse } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { GetStoreStateResponseSchema, PinSchema } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import type { GetStoreStateResponse, Pin as PbPin } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";

export function cacheStateToProto({ entries, pinnedEntries, ...state }: CacheState): GetCacheStateResponse {
  return create(GetCacheStateResponseSchema, {
    entries,
    pinnedEntries,
    sizeBytes: BigInt(state.sizeBytes),
    hits: BigInt(state.hits),
    misses: BigInt(state.misses),
    bytesMax: BigInt(state.bytesMax),
    freeBytes: BigInt(state.freeBytes),
    freeBytesMin: BigInt(state.freeBytesMin),
    hitBytes: BigInt(state.hitBytes),
    movedBytes: BigInt(state.movedBytes),
  });
}

export function cacheStateFromProto({ entries, pinnedEntries, ...pb }: GetCacheStateResponse): CacheState {
  return {
    entries,
    pinnedEntries,
    sizeBytes: Number(pb.sizeBytes),
    hits: Number(pb.hits),
    misses: Number(pb.misses),
    bytesMax: Number(pb.bytesMax),
    freeBytes: Number(pb.freeBytes),
    freeBytesMin: Number(pb.freeBytesMin),
    hitBytes: Number(pb.hitBytes),
    movedBytes: Number(pb.movedBytes),
  };
}

export function storeStateToProto({ results, pins, targets, ...state }: StoreState): GetStoreStateResponse {
  return create(GetStoreStateResponseSchema, {
    results,
    pins,
    targets: [...targets],
    sizeBytes: BigInt(state.sizeBytes),
    bytesMax: BigInt(state.bytesMax),
    freeBytes: BigInt(state.freeBytes),
    freeBytesMin: BigInt(state.freeBytesMin),
    unpinnedBytes: BigInt(state.unpinnedBytes),
  });
}

export function storeStateFromProto({ results, pins, targets, ...pb }: GetStoreStateResponse): StoreState {
  return {
    results,
    pins,
    targets: [...targets],
    sizeBytes: Number(pb.sizeBytes),
    bytesMax: Number(pb.bytesMax),
    freeBytes: Number(pb.freeBytes),
    freeBytesMin: Number(pb.freeBytesMin),
    unpinnedBytes: Number(pb.unpinnedBytes),
  };
}

export function pinToProto({ owner, cid, sizeBytes, createdAtMs, expiresAtMs = 0 }: Pin): PbPin {
  return create(PinSchema, {
    owner,
    cid,
    sizeBytes: BigInt(sizeBytes),
    createTimeMs: BigInt(Math.trunc(createdAtMs)),
    expireTimeMs: BigInt(Math.trunc(expiresAtMs)),
  });
}

export function pinFromProto({ owner, cid, sizeBytes, createTimeMs, expireTimeMs }: PbPin): Pin {
  return {
    owner,
    cid,
    sizeBytes: Number(sizeBytes),
    createdAtMs: Number(createTimeMs),
    expiresAtMs: expireTimeMs === 0n ? undefined : Number(expireTimeMs),
  };
}
