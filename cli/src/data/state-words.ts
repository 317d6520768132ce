import type { GetCacheStateResponse } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import type { GetStoreStateResponse } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { countOf } from "../output/count-of.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

const BAR_WIDTH = 10;

/** `1.2GB of 10GB  [#---------] 12%`; without a budget, what there is and what is free. */
export function budgetOf({ sizeBytes, bytesMax }: { readonly sizeBytes: bigint; readonly bytesMax: bigint }): string {
  const size = formatBytes(Number(sizeBytes));
  return bytesMax === 0n ? size : `${size} of ${formatBytes(Number(bytesMax))}`;
}

/** `[###-------]  31%`; empty where there is no budget. */
export function barOf({ sizeBytes, bytesMax }: { readonly sizeBytes: bigint; readonly bytesMax: bigint }): string {
  if (bytesMax <= 0n) return "";
  const share = Math.min(1, Math.max(0, Number(sizeBytes) / Number(bytesMax)));
  const filled = Math.round(share * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${`${Math.floor(share * 100)}%`.padStart(4)}`;
}

/** `75%`: of the fetches since start, those that found their data on the node; `-` before the first. */
export function hitRateOf({ hits, misses }: Pick<GetCacheStateResponse, "hits" | "misses">): string {
  const all = Number(hits + misses);
  return all === 0 ? "-" : `${Math.floor((Number(hits) * 100) / all)}%`;
}

/** `1.2GB of 10GB, 4 entries (1 in use), hit rate 75% (3 of 4 fetches, 3GB not moved), 20GB free of which 1GB stays`. */
export function describeCache(cache: GetCacheStateResponse): string {
  const { entries, pinnedEntries, hits, misses, hitBytes } = cache;
  const rate =
    hits + misses === 0n
      ? "no fetch yet"
      : `hit rate ${hitRateOf(cache)} (${hits} of ${countOf(hits + misses, "fetch").replace("fetchs", "fetches")}, ${formatBytes(Number(hitBytes))} not moved)`;
  return `${budgetOf(cache)}, ${entriesOf(entries)} (${pinnedEntries} in use), ${rate}, ${freeOf(cache)}`;
}

/** `1.2GB, 4 results, 9 pins, 20MB that nothing keeps, 20GB free`. */
export function describeStore(store: GetStoreStateResponse): string {
  const { results, pins, unpinnedBytes } = store;
  const loose = unpinnedBytes === 0n ? "" : `, ${formatBytes(Number(unpinnedBytes))} that nothing keeps`;
  return `${budgetOf(store)}, ${countOf(results, "result")}, ${countOf(pins, "pin")}${loose}, ${freeOf(store)}`;
}

export function freeOf({ freeBytes, freeBytesMin }: { readonly freeBytes: bigint; readonly freeBytesMin: bigint }): string {
  const floor = freeBytesMin === 0n ? "" : ` (${formatBytes(Number(freeBytesMin))} stay free)`;
  return `${formatBytes(Number(freeBytes))} free${floor}`;
}

function entriesOf(count: number): string {
  return count === 1 ? "1 entry" : `${count} entries`;
}
