import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { pinToProto, storeStateToProto } from "@skrei/wire/data-state.ts";
import type { Clock, ContentStore, Targets } from "../ports.ts";
import { type AccessKeys, checkClusterToken } from "./access.ts";

export interface StorePorts {
  readonly store: ContentStore;
  readonly targets: Pick<Targets, "offered">;
}

/** StoreService. All of it needs the cluster's token but the state, which is numbers alone and asked for by the node's agent. */
export function storeHandlers(
  ports: StorePorts,
  { unpinnedBlockTtlMs, ...keys }: AccessKeys & { readonly unpinnedBlockTtlMs: number },
  clock: Clock,
): ServiceImpl<typeof StoreService> {
  return {
    listPins: ({ ownerPrefix, cid, pageSize, pageToken }, { requestHeader }) => {
      checkClusterToken(requestHeader, keys);
      const query = { ownerPrefix, cid: cid === "" ? undefined : cid, pageSize: checkPageSize(pageSize), pageToken };
      const { pins, nextPageToken } = ports.store.pins(query);
      return { pins: pins.map(pinToProto), nextPageToken };
    },
    extendPins: ({ owners, expireTimeMs }, { requestHeader }) => {
      checkClusterToken(requestHeader, keys);
      ports.store.extendPins(checkOwners(owners), expireTimeMs === 0n ? undefined : Number(expireTimeMs));
      return {};
    },
    unpin: ({ owners }, { requestHeader }) => {
      checkClusterToken(requestHeader, keys);
      return { pins: ports.store.unpin(checkOwners(owners)) };
    },
    collectGarbage: async ({ dryRun }, { requestHeader, signal }) => {
      checkClusterToken(requestHeader, keys);
      const nowMs = clock.nowMs();
      const request = { isDryRun: dryRun, nowMs, olderThanMs: nowMs - unpinnedBlockTtlMs };
      const { pins, blocks, sizeBytes } = await ports.store.collectGarbage(request, signal);
      return { pins, blocks: BigInt(blocks), sizeBytes: BigInt(sizeBytes) };
    },
    getStoreState: async (_, { signal }) =>
      storeStateToProto({ ...(await ports.store.state(signal)), targets: ["cluster", ...ports.targets.offered] }),
  };
}

function checkPageSize(pageSize: number): number {
  if (pageSize >= 0 && pageSize <= PAGE_SIZE_MAX) return pageSize === 0 ? PAGE_SIZE_DEFAULT : pageSize;
  throw new DomainError("invalid", "FIELD_INVALID", `A page has 1 to ${PAGE_SIZE_MAX} pins; ${pageSize} were asked for.`, {
    hint: "Ask for fewer, and for the next page with its token.",
  });
}

function checkOwners(owners: readonly string[]): readonly string[] {
  if (owners.length <= OWNERS_MAX) return owners;
  throw new DomainError("invalid", "FIELD_INVALID", `The call names ${owners.length} owners; at most ${OWNERS_MAX} are taken.`, {
    hint: "Ask in several calls.",
  });
}

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1_000;
const OWNERS_MAX = 1_000;
