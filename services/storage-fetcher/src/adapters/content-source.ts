import type { Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors } from "@skrei/platform/error-interceptor.ts";
import { BlockService, type GetBlocksResponse } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { type ContentId, isBlockOf, parseCid } from "@skrei/unixfs/cid.ts";
import { decodeNode } from "@skrei/unixfs/node.ts";
import type { FetchTarget, SourceAdapter } from "../ports.ts";
import { type BlockReader, exportDag } from "./export-dag.ts";

/** Trees of the cluster's content store, by content id. `blocks` is undefined on a node without a store to ask. */
export function createContentSource(blocks: Transport | undefined, { token }: { readonly token: string }): SourceAdapter<"content"> {
  const readerOf = (signal: AbortSignal): BlockReader => createBlockReader(blocks, token, signal);
  return {
    keyOf: ({ cid }) => `cid:${parseCid(cid).toString()}`,
    check: ({ cid }) => {
      parseCid(cid);
      if (blocks === undefined)
        throw new DomainError("invalid", "SOURCE_TYPE_UNSUPPORTED", "This node has no content store to read from.", {
          hint: "Set publisherUrl to the cluster's publisher.",
        });
    },
    estimate: async ({ cid }, signal) => await sizeOf(readerOf(signal), parseCid(cid)),
    fetch: async ({ cid }, target: FetchTarget) => {
      const root = parseCid(cid);
      const sizeBytes = await exportDag(readerOf(target.signal), root, target);
      return { kind: "fetched", digest: `cid:${root.toString()}`, sizeBytes, validators: { etag: "", lastModified: "" } };
    },
  };
}

/** What a root claims; enough for a bid. */
async function sizeOf(read: BlockReader, root: ContentId): Promise<number> {
  try {
    for await (const block of read([root])) {
      const node = decodeNode(root, block);
      if (node.kind === "file") return node.sizeBytes;
      return node.kind === "symlink" ? 0 : node.links.reduce((sum, link) => sum + link.dagBytes, 0);
    }
  } catch {
    // An estimate may be missing; the fetch itself will say what is wrong.
  }
  return 0;
}

function createBlockReader(blocks: Transport | undefined, token: string, signal: AbortSignal): BlockReader {
  if (blocks === undefined) throw new DomainError("invalid", "SOURCE_TYPE_UNSUPPORTED", "This node has no content store to read from.");
  const client = createClient(BlockService, clientErrors(blocks));
  const options = { signal, headers: { authorization: `Bearer ${token}` } };
  return async function* (cids) {
    for (let start = 0; start < cids.length; start += ASKED_AT_ONCE) {
      const asked = cids.slice(start, start + ASKED_AT_ONCE);
      yield* verified(asked, client.getBlocks({ cids: asked.map(String) }, options));
    }
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
    hint: "Check that the content is pinned in the cluster's store and that the node can reach it.",
    cause,
  });
}

/** The contract's limit for one call. */
const ASKED_AT_ONCE = 1_000;
