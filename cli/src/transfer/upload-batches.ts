import type { BlockPlace, ScannedUpload } from "./scan-upload.ts";

/** Under the service's 4 MiB a message, ids and framing included. */
const BATCH_BYTES_MAX = 3 * 1024 * 1024;
/** With ids and framing of about 80 bytes each; small files are many. */
const BATCH_BLOCKS_MAX = 1_000;

export type UploadBatch = readonly (readonly [cid: string, place: BlockPlace])[];

/** The blocks in messages that the service takes, each with at least one. */
export function* uploadBatches(scanned: Pick<ScannedUpload, "blocks">, cids: readonly string[]): Generator<UploadBatch> {
  let batch: (readonly [string, BlockPlace])[] = [];
  let batchBytes = 0;
  for (const cid of cids) {
    const place = scanned.blocks.get(cid);
    if (place === undefined) continue;
    const sizeBytes = sizeOfPlace(place);
    if (batch.length === BATCH_BLOCKS_MAX || (batch.length > 0 && batchBytes + sizeBytes > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      batchBytes = 0;
    }
    batch.push([cid, place]);
    batchBytes += sizeBytes;
  }
  if (batch.length > 0) yield batch;
}

export function sizeOfPlace(place: BlockPlace | undefined): number {
  if (place === undefined) return 0;
  return "block" in place ? place.block.length : place.sizeBytes;
}
