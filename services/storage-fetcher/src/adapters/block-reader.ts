import { DomainError } from "@skrei/domain";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { ClusterBlocks } from "./cluster-blocks.ts";
import type { GatewayBlocks } from "./gateway-blocks.ts";

/** Verified blocks in the order asked for. */
export type BlockReader = (cids: readonly ContentId[]) => AsyncIterable<Uint8Array>;

/** Where blocks may come from: the cluster's store first, then the operator's gateways. */
export interface BlockPlaces {
  readonly cluster: ClusterBlocks | undefined;
  readonly gateways: GatewayBlocks | undefined;
}

/** A reader for one fetch. It learns from the first block that the store lacks that the content is from elsewhere. */
export function createBlockReader({ cluster, gateways }: BlockPlaces, signal: AbortSignal): BlockReader {
  let isFromElsewhere = cluster === undefined;
  return async function* (cids) {
    let at = 0;
    if (cluster !== undefined && !isFromElsewhere) {
      try {
        for await (const block of cluster.read(cids, signal)) {
          at += 1;
          yield block;
        }
        return;
      } catch (error) {
        if (gateways === undefined || !(error instanceof DomainError) || error.reason !== "SOURCE_UNREACHABLE") throw error;
        isFromElsewhere = true;
      }
    }
    if (gateways !== undefined) yield* readMixed(cids.slice(at), { cluster, gateways }, signal);
  };
}

/** Several at once, given out in order. */
async function* readMixed(
  cids: readonly ContentId[],
  { cluster, gateways }: { readonly cluster: ClusterBlocks | undefined; readonly gateways: GatewayBlocks },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const held = await heldOf(cids, cluster, signal);
  const left = new AbortController();
  const bounded = AbortSignal.any([signal, left.signal]);
  const load = async (cid: ContentId): Promise<Uint8Array> => {
    if (cluster !== undefined && held.has(cid.toString())) for await (const block of cluster.read([cid], bounded)) return block;
    return await gateways.get(cid, bounded);
  };
  const ahead: { readonly cid: ContentId; readonly block: Promise<Uint8Array> }[] = [];
  let next = 0;
  try {
    for (;;) {
      for (; ahead.length < gateways.parallelMax && next < cids.length; next++) ahead.push(startNext(cids[next], ahead.at(-1), load));
      const first = ahead.shift();
      if (first === undefined) return;
      yield await first.block;
    }
  } finally {
    left.abort(new DomainError("cancelled", "CANCELLED", "Nobody waits for the block any more."));
  }
}

/** A run of the same block, as in a file of zeros, is asked for once. */
function startNext(
  cid: ContentId | undefined,
  last: { readonly cid: ContentId; readonly block: Promise<Uint8Array> } | undefined,
  load: (cid: ContentId) => Promise<Uint8Array>,
): { readonly cid: ContentId; readonly block: Promise<Uint8Array> } {
  if (cid === undefined) throw new RangeError("no more content ids");
  if (last?.cid.equals(cid) === true) return last;
  const block = load(cid);
  block.catch(() => undefined); // Thrown where it is awaited; when it is not, nobody needs it.
  return { cid, block };
}

/** A store that does not answer has nothing. */
async function heldOf(cids: readonly ContentId[], cluster: ClusterBlocks | undefined, signal: AbortSignal): Promise<ReadonlySet<string>> {
  if (cluster === undefined) return new Set();
  try {
    const missing = await cluster.missing(cids, signal);
    return new Set(cids.map(String).filter((cid) => !missing.has(cid)));
  } catch (error) {
    if (error instanceof DomainError && error.reason === "SOURCE_UNREACHABLE") return new Set();
    throw error;
  }
}
