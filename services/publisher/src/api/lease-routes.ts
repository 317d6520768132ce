import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { Clock, ContentStore } from "../ports.ts";

/** The part of PublishService by which a node reads its own results in place. */
export function leaseHandlers(
  ports: { readonly store: ContentStore },
  clock: Clock,
): Pick<ServiceImpl<typeof PublishService>, "leaseTree" | "releaseTrees"> {
  return {
    leaseTree: ({ cid, leaseId }) => {
      const { path, sizeBytes } = ports.store.leaseTree(cid, checkLeaseId(leaseId), clock.nowMs());
      return { path, sizeBytes: BigInt(sizeBytes) };
    },
    releaseTrees: async ({ leaseId }) => {
      await ports.store.releaseTrees(checkLeaseId(leaseId));
      return {};
    },
  };
}

function checkLeaseId(leaseId: string): string {
  if (leaseId.length > 0 && leaseId.length <= LEASE_ID_LENGTH_MAX) return leaseId;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `A lease id has 1 to ${LEASE_ID_LENGTH_MAX} characters; this one has ${leaseId.length}.`,
    {
      hint: "Name the lease by the execution that reads, such as e-….",
    },
  );
}

const LEASE_ID_LENGTH_MAX = 128;
