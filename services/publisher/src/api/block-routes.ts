import type { ServiceImpl } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { Clock, ContentStore } from "../ports.ts";
import { type AccessKeys, type BlockAccess, checkBlockAccess } from "./access.ts";

/** BlockService. Upload links may push and pin their one root; only the cluster's token may read by content id. */
export function blockHandlers(
  ports: { readonly store: ContentStore },
  { uploadTtlMs, ...keys }: AccessKeys & { readonly uploadTtlMs: number },
  clock: Clock,
): ServiceImpl<typeof BlockService> {
  const quota = new UploadQuota();
  return {
    findMissingBlocks: ({ cids }, { requestHeader }) => {
      checkBlockAccess(requestHeader.get("authorization"), keys, clock);
      checkCount(cids.length, FIND_MAX);
      return { missingCids: [...ports.store.missing(cids)] };
    },
    putBlocks: async ({ blocks }, { requestHeader }) => {
      const access = checkBlockAccess(requestHeader.get("authorization"), keys, clock);
      quota.take(
        access,
        blocks.reduce((sum, { data }) => sum + data.length, 0),
        clock.nowMs(),
      );
      await ports.store.put(blocks);
      return {};
    },
    pinRoot: async ({ cid, owner, expireTimeMs }, { requestHeader, signal }) => {
      const access = checkBlockAccess(requestHeader.get("authorization"), keys, clock);
      if (access.kind === "upload" && access.cid !== cid) {
        throw new DomainError("forbidden", "LINK_INVALID", `The upload link is for ${access.cid}, not for ${cid}.`, {
          hint: "Ask for an upload link for this root.",
        });
      }
      const keeper =
        access.kind === "upload"
          ? { owner: `upload:${cid}`, expiresAtMs: clock.nowMs() + uploadTtlMs }
          : { owner: checkOwner(owner), expiresAtMs: expireTimeMs === 0n ? undefined : Number(expireTimeMs) };
      await ports.store.pin(cid, keeper, signal);
      return {};
    },
    getBlocks: async function* ({ cids }, { requestHeader }) {
      const access = checkBlockAccess(requestHeader.get("authorization"), keys, clock);
      if (access.kind !== "cluster")
        throw new DomainError("forbidden", "LINK_INVALID", "An upload link does not permit reading.", {
          hint: "Ask the scheduler for a download link.",
        });
      checkCount(cids.length, GET_MAX);
      for (const cid of cids) yield { block: { cid, data: (await ports.store.get(cid)) as Uint8Array<ArrayBuffer> } };
    },
  };
}

/** Bytes that came in by each upload link. Forgotten at a restart: links live for minutes, and a pin is one root. */
class UploadQuota {
  readonly #taken = new Map<string, { bytes: number; readonly expiresAtMs: number }>();

  take(access: BlockAccess, sizeBytes: number, nowMs: number): void {
    if (access.kind !== "upload" || access.bytesMax === 0) return;
    for (const [link, { expiresAtMs }] of this.#taken) if (expiresAtMs < nowMs) this.#taken.delete(link);
    const taken = this.#taken.get(access.link) ?? { bytes: 0, expiresAtMs: access.expiresAtMs };
    // A lost answer makes a client send blocks twice; twice the size is room enough for that.
    if (taken.bytes + sizeBytes > 2 * access.bytesMax + QUOTA_SLACK_BYTES) {
      throw new DomainError("exhausted", "STORE_FULL", `The upload link permits ${access.bytesMax} bytes.`, {
        hint: "Ask for an upload link for the real size.",
      });
    }
    taken.bytes += sizeBytes;
    this.#taken.set(access.link, taken);
  }
}

function checkCount(count: number, countMax: number): void {
  if (count > countMax)
    throw new DomainError("invalid", "FIELD_INVALID", `The call names ${count} content ids; at most ${countMax} are taken.`, {
      hint: "Ask in several calls.",
    });
}

function checkOwner(owner: string): string {
  if (owner.length > 0 && owner.length <= OWNER_LENGTH_MAX) return owner;
  throw new DomainError("invalid", "FIELD_INVALID", `An owner has 1 to ${OWNER_LENGTH_MAX} characters; this one has ${owner.length}.`, {
    hint: "Name the owner like execution:e-…",
  });
}

const FIND_MAX = 10_000;
const GET_MAX = 1_000;
const OWNER_LENGTH_MAX = 128;
/** Folder nodes are not counted in a size. */
const QUOTA_SLACK_BYTES = 4 * 1024 * 1024;
