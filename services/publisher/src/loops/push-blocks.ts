import { hasReason } from "@skrei/domain";
import type { Block, ContentStore, UpstreamStore } from "../ports.ts";

export interface PushProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/**
 * Pushes what `upstream` lacks of the DAG below `cid`, then pins it there. What already arrived is not sent again, so repeating
 * it after a failure goes on where it stopped. Yields the bytes pushed so far, of those that were found missing so far.
 */
export async function* pushBlocks(
  store: ContentStore,
  upstream: UpstreamStore,
  { cid, owner }: { readonly cid: string; readonly owner: string },
  signal: AbortSignal,
): AsyncGenerator<PushProgress> {
  for (let attempt = 1; ; attempt++) {
    yield* pushMissing(store, upstream, cid, signal);
    try {
      await upstream.pin(cid, owner, signal);
      return;
    } catch (error) {
      // Blocks that the other side had may have been swept meanwhile.
      if (!hasReason(error, "BLOCK_MISSING") || attempt === PIN_ATTEMPTS_MAX) throw error;
    }
  }
}

async function* pushMissing(store: ContentStore, upstream: UpstreamStore, root: string, signal: AbortSignal): AsyncGenerator<PushProgress> {
  let bytesDone = 0;
  let bytesTotal = 0;
  for await (const asked of groupsOf(store.list(root))) {
    const missing = new Set(await upstream.missing([...asked.keys()], signal));
    const sizes = [...asked].filter(([cid]) => missing.has(cid));
    for (const [, sizeBytes] of sizes) bytesTotal += sizeBytes;
    for (const batch of batchesOf(sizes)) {
      const blocks: Block[] = [];
      for (const [cid] of batch) blocks.push({ cid, data: await store.get(cid) });
      await upstream.put(blocks, signal);
      for (const { data } of blocks) bytesDone += data.length;
      yield { bytesDone, bytesTotal };
    }
  }
}

async function* groupsOf(blocks: AsyncIterable<{ readonly cid: string; readonly sizeBytes: number }>): AsyncGenerator<Map<string, number>> {
  let group = new Map<string, number>();
  for await (const { cid, sizeBytes } of blocks) {
    group.set(cid, sizeBytes);
    if (group.size < ASKED_AT_ONCE) continue;
    yield group;
    group = new Map();
  }
  if (group.size > 0) yield group;
}

function batchesOf(sizes: readonly (readonly [string, number])[]): (readonly [string, number])[][] {
  const batches: (readonly [string, number])[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of sizes) {
    bytes += entry[1] + BLOCK_OVERHEAD_BYTES;
    if (bytes > BATCH_BYTES_MAX) {
      batches.push([]);
      bytes = entry[1] + BLOCK_OVERHEAD_BYTES;
    }
    batches.at(-1)?.push(entry);
  }
  return batches;
}

const PIN_ATTEMPTS_MAX = 3;
const ASKED_AT_ONCE = 1_000;
/** The contract's limit of 4 MiB for a message. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024 - 1024;
/** Content id and framing of a block in a message, rounded up. */
const BLOCK_OVERHEAD_BYTES = 128;
