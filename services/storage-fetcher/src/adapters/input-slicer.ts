import { hash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { lstat, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import type { CacheEntry, DividedInput, InputCache, InputSlice, InputSlicer, Reservation, SlicedInput, SliceUse } from "../ports.ts";
import { asCacheFull } from "../domain/cache-full.ts";
import { divideFiles } from "./divide-files.ts";
import { fingerprintOf } from "./entry-files.ts";
import { planCuts } from "./slice-cuts.ts";
import { listTreeFiles, notDivisible, type TreeFile } from "./slice-files.ts";
import { itemBytes, type SliceItem, throwIfOver, writeSlice } from "./slice-writer.ts";

/** Parts of inputs as entries of the cache: a list of files, and the files themselves unless the input is the part. */
export function createInputSlicer(cache: InputCache): InputSlicer {
  const underWay = new Map<string, Promise<void>>();
  return {
    slice: async (input, slice, use) => {
      const key = await keyOf(input, slice);
      for (let attempt = 1; attempt <= ATTEMPTS_MAX;) {
        use.signal.throwIfAborted();
        const entry = await cache.lease(key, use.leaseId);
        if (entry !== undefined) return await toSliced(entry, input, { slice, bytesMax: use.bytesMax });
        const running = underWay.get(key);
        if (running === undefined) {
          attempt += 1;
          const making = make({ cache, key }, { input, slice }, use)
            .catch((error: unknown) => {
              throw asCacheFull(error);
            })
            .finally(() => underWay.delete(key));
          underWay.set(key, making);
          await making;
        } else await running.catch(() => undefined); // Whoever runs it hears of it; we try ourselves.
      }
      throw new DomainError(
        "exhausted",
        "CACHE_FULL",
        `A part of an input was removed again ${ATTEMPTS_MAX} times before it could be used.`,
        {
          hint: "Raise cacheBytesMax; the cache is too small for the work of this node.",
        },
      );
    },
  };
}

interface Division {
  readonly input: DividedInput;
  readonly slice: InputSlice;
}

/** Data of the node itself has no digest; what it looks like takes its place, so that a change gives another part. */
async function keyOf(input: DividedInput, { partition, place }: InputSlice): Promise<string> {
  const base = input.digest === "" ? `${input.path} ${await fingerprintOf(input.path)}` : input.digest;
  return `slice:${hash("sha256", JSON.stringify([base, input.name, input.isCut, partition, place.index, place.count]))}`;
}

/** Nothing is cut from an input that is the part already. */
function isWhole({ input, slice: { partition, place } }: Division): boolean {
  return input.isCut || (place.count === 1 && partition.glob === "");
}

async function toSliced(
  { path, sizeBytes }: CacheEntry,
  input: DividedInput,
  { slice, bytesMax }: { readonly slice: InputSlice; readonly bytesMax: number },
): Promise<SlicedInput> {
  const filesPath = join(path, FILES);
  const { digest } = input;
  if (isWhole({ input, slice })) return { path: input.path, digest, sizeBytes: input.sizeBytes, filesPath };
  const dataBytes = sizeBytes - (await stat(filesPath)).size;
  throwIfOver(dataBytes, bytesMax);
  return { path: join(path, DATA), digest, sizeBytes: dataBytes, filesPath };
}

async function make(
  { cache, key }: { readonly cache: InputCache; readonly key: string },
  division: Division,
  { bytesMax, signal }: SliceUse,
): Promise<void> {
  await using reservation = cache.reserve();
  const { input } = division;
  const items = await planItems(division, signal);
  const list = filesJson(items);
  mkdirSync(reservation.path);
  const listBytes = Buffer.byteLength(list);
  reservation.cover(listBytes);
  await writeFile(join(reservation.path, FILES), list, { flag: "wx", flush: true });
  if (isWhole(division)) return await cache.commit(key, reservation, { sizeBytes: listBytes });
  const { sizeBytes, linkedBytes } = await writeSlice(items, {
    path: join(reservation.path, DATA),
    isFile: (await lstat(input.path)).isFile(),
    root: input.path,
    canLink: cache.owns(input.path),
    bytesMax,
    onBytes: covering(reservation, listBytes),
    signal,
  });
  const shared = linkedBytes === 0 ? {} : { shared: { path: input.path, sizeBytes: linkedBytes } };
  await cache.commit(key, reservation, { sizeBytes: sizeBytes + listBytes, ...shared });
}

function covering(reservation: Reservation, before: number): (bytes: number) => void {
  return (bytes) => reservation.cover(before + bytes);
}

/** @throws DomainError invalid/SOURCE_NOT_DIVISIBLE. */
async function planItems(division: Division, signal: AbortSignal): Promise<readonly SliceItem[]> {
  const { input, slice } = division;
  const files = await listTreeFiles(input.path, input.name);
  if (isWhole(division)) return files.map(wholeItem);
  const chosen = await choose(files, slice, signal);
  const { by } = slice.partition;
  if (slice.place.count === 1 || (by !== "lines" && by !== "bytes")) return chosen.map(wholeItem);
  const byPath = new Map(chosen.map((file) => [file.path, file]));
  const pieces = await planCuts({ root: input.path, files: chosen }, slice, signal);
  return pieces.flatMap((piece): SliceItem[] => {
    const file = byPath.get(piece.path);
    if (file === undefined) return [];
    const isAll = piece.headBytes + piece.sizeBytes === piece.sourceBytes;
    return [isAll ? wholeItem(file) : { file, piece }];
  });
}

async function choose(files: readonly TreeFile[], slice: InputSlice, signal: AbortSignal): Promise<readonly TreeFile[]> {
  try {
    return await divideFiles(files, slice, { prefix: "", signal });
  } catch (error) {
    if (error instanceof DomainError && error.kind === "invalid") throw notDivisible(error.message.replace(/\.$/u, ""), error);
    throw error;
  }
}

function wholeItem(file: TreeFile): SliceItem {
  return { file, piece: undefined };
}

/** What the task is told, as in docs/inputs.md. */
function filesJson(items: readonly SliceItem[]): string {
  const files = items.slice(0, LISTED_MAX).map((item) => {
    const { file, piece } = item;
    const listed = { path: file.path, sizeBytes: itemBytes(item) };
    return piece === undefined ? listed : { ...listed, offset: piece.offset, sourceBytes: piece.sourceBytes };
  });
  return JSON.stringify({ files, count: items.length, isCut: items.length > LISTED_MAX });
}

const FILES = "files.json";
const DATA = "data";
const ATTEMPTS_MAX = 3;
const LISTED_MAX = 100_000;
