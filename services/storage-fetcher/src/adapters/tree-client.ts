import { lstat, realpath } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors } from "@skrei/platform/error-interceptor.ts";
import type { Logger } from "@skrei/platform/logger.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import type { TreeLeases } from "../ports.ts";

export interface TreeClientOptions {
  /** The publisher of this node. */
  readonly transport: Transport;
  readonly logger: Logger;
}

/** Results that the node's own publisher holds as files. A publisher that does not answer has none: then there are other ways. */
export function createTreeClient({ transport, logger }: TreeClientOptions): TreeLeases {
  const client = createClient(PublishService, clientErrors(transport));
  const unreleased = new Set<string>();
  const lease: TreeLeases["lease"] = async (cid, leaseId, signal) => {
    unreleased.delete(leaseId);
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    try {
      const { path, sizeBytes } = await client.leaseTree({ cid, leaseId }, { signal: bounded });
      return (await isInPlace(path)) ? { path, sizeBytes: Number(sizeBytes) } : undefined;
    } catch (error) {
      signal.throwIfAborted();
      const isExpected = error instanceof DomainError && (error.kind === "notFound" || error.kind === "invalid");
      if (!isExpected) logger.warn({ err: error, cid }, "the node's publisher does not say whether it has a tree; it is fetched instead");
      return undefined;
    }
  };
  const release: TreeLeases["release"] = async (leaseId) => {
    unreleased.add(leaseId);
    for (const id of unreleased) {
      await client.releaseTrees({ leaseId: id }, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
      unreleased.delete(id);
    }
  };
  return {
    lease,
    has: async (cid, signal) => {
      const tree = await lease(cid, ESTIMATE_LEASE, signal);
      if (tree !== undefined) await release(ESTIMATE_LEASE).catch(() => undefined); // The next release does it.
      return tree !== undefined;
    },
    release: async (leaseId) => {
      try {
        await release(leaseId);
      } catch (error) {
        logger.warn({ err: error, leaseId, count: unreleased.size }, "trees stay leased until the node's publisher answers again");
      }
    },
  };
}

/** A mount would follow a link to somewhere else. */
async function isInPlace(path: string): Promise<boolean> {
  if (!isAbsolute(path) || (await realpath(path)) !== path) return false;
  const status = await lstat(path);
  return status.isFile() || status.isDirectory();
}

/** It lies on this machine. */
const ANSWER_TIMEOUT_MS = 5_000;
/** One for all, so that none is left behind for ever. */
const ESTIMATE_LEASE = "estimate";
