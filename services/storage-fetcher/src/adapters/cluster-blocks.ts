import type { Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors } from "@skrei/platform/error-interceptor.ts";
import { BlockService, type GetBlocksResponse } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { type ContentId, isBlockOf } from "@skrei/unixfs/cid.ts";

/** The cluster's own content store. */
export interface ClusterBlocks {
  /** Blocks in the order asked for, each with the hash it must have. @throws DomainError SOURCE_UNREACHABLE, SOURCE_DIGEST_MISMATCH. */
  read(cids: readonly ContentId[], signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** Those that the store lacks. @throws DomainError unavailable/SOURCE_UNREACHABLE. */
  missing(cids: readonly ContentId[], signal: AbortSignal): Promise<ReadonlySet<string>>;
}

export function createClusterBlocks(transport: Transport, token: string): ClusterBlocks {
  const client = createClient(BlockService, clientErrors(transport));
  const headers = { authorization: `Bearer ${token}` };
  return {
    read: async function* (cids, signal) {
      for (let start = 0; start < cids.length; start += ASKED_AT_ONCE) {
        const asked = cids.slice(start, start + ASKED_AT_ONCE);
        yield* verified(asked, client.getBlocks({ cids: asked.map(String) }, { signal, headers }));
      }
    },
    missing: async (cids, signal) => {
      const missing = new Set<string>();
      for (let start = 0; start < cids.length; start += ASKED_AT_ONCE) {
        const asked = cids.slice(start, start + ASKED_AT_ONCE).map(String);
        const { missingCids } = await client.findMissingBlocks({ cids: asked }, { signal, headers }).catch((error: unknown) => {
          throw error instanceof DomainError ? asSourceError(error) : error;
        });
        for (const cid of missingCids) missing.add(cid);
      }
      return missing;
    },
  };
}

/** The blocks that were asked for, in that order, each with the hash it must have. */
async function* verified(asked: readonly ContentId[], responses: AsyncIterable<GetBlocksResponse>): AsyncGenerator<Uint8Array> {
  const left = asked.values();
  for await (const { block } of mapErrors(responses)) {
    const { value: cid } = left.next();
    if (cid === undefined || block === undefined) break;
    if (!isBlockOf(cid, block.data)) throw damaged(cid.toString(), undefined);
    yield block.data;
  }
  if (left.next().done !== true) throw unreachable("The content store sent fewer blocks than were asked for.", undefined);
}

async function* mapErrors<T>(responses: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* responses;
  } catch (error) {
    throw error instanceof DomainError ? asSourceError(error) : error;
  }
}

function asSourceError(error: DomainError): DomainError {
  if (error.kind === "cancelled") return error;
  if (error.reason === "RESULT_CORRUPT") return damaged("what was asked for", error);
  if (error.reason === "BLOCK_MISSING") return unreachable(`The content store does not have all of it: ${error.message}`, error);
  return unreachable("The content store does not serve blocks now.", error);
}

function damaged(what: string, cause: unknown): DomainError {
  return new DomainError("corrupt", "SOURCE_DIGEST_MISMATCH", `The content store has damaged bytes for ${what}.`, {
    hint: "Check the disk of the content store; publish the content again.",
    cause,
  });
}

function unreachable(message: string, cause: unknown): DomainError {
  return new DomainError("unavailable", "SOURCE_UNREACHABLE", message, {
    hint: "Check that the content is pinned in the cluster's store, or have the operator list an IPFS gateway in ipfsGateways.",
    cause,
  });
}

/** The contract's limit for one call. */
const ASKED_AT_ONCE = 1_000;
