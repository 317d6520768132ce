import { constants, type FileHandle, open, readlink } from "node:fs/promises";
import type { InputSlice } from "../ports.ts";
import { cutPoint, type CutPoint, type CuttableFile, type FilePiece, piecesBetween, recordStart } from "../domain/cut-plan.ts";
import { bytesOfLines, lineStartFrom } from "./line-starts.ts";
import { notDivisible, type TreeFile } from "./slice-files.ts";

export interface CuttableTree {
  readonly root: string;
  readonly files: readonly TreeFile[];
}

/** What a partition gets of a tree that is divided by lines or bytes. A line belongs to the partition in which it starts. */
export async function planCuts(
  { root, files }: CuttableTree,
  { partition, place }: InputSlice,
  signal: AbortSignal,
): Promise<readonly FilePiece[]> {
  const headerLines = partition.by === "lines" ? partition.headerLines : 0;
  const cuttable: CuttableFile[] = [];
  for (const file of files) {
    const headBytes =
      headerLines === 0 || file.isLink ? 0 : await reading(root, file, async (handle) => await bytesOfLines(handle, headerLines, signal));
    cuttable.push({ path: file.path, sizeBytes: file.sizeBytes, headBytes });
  }
  const aligned = async (index: number): Promise<CutPoint> => {
    const point = cutPoint(cuttable, { index, count: place.count });
    const file = files[point.index];
    if (file === undefined || point.offset === 0) return point;
    if (partition.by === "bytes") return recordStart(point, partition.recordBytes);
    const offset = await reading(root, file, async (handle) => await lineStartFrom(handle, point.offset, signal));
    return offset >= file.sizeBytes ? { index: point.index + 1, offset: 0 } : { index: point.index, offset };
  };
  return piecesBetween(cuttable, await aligned(place.index), await aligned(place.index + 1));
}

/** Opens a file of a tree. A folder that a task may change could lead elsewhere by the time it is opened, so that is looked at last. */
export async function openWithin(root: string, source: string): Promise<FileHandle> {
  const handle = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const real = await readlink(`/proc/self/fd/${handle.fd}`);
    if (real !== root && !real.startsWith(`${root}/`)) throw notDivisible("its files changed while they were read");
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function reading<T>(root: string, { source }: TreeFile, read: (handle: FileHandle) => Promise<T>): Promise<T> {
  await using handle = await openWithin(root, source);
  return await read(handle);
}
