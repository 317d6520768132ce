import { constants as fs, copyFileSync, linkSync, mkdirSync, readlinkSync, symlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { DomainError } from "@skrei/domain";
import { syncFiles } from "@skrei/platform/sync-files.ts";
import type { FilePiece } from "../domain/cut-plan.ts";
import { openWithin } from "./slice-cuts.ts";
import type { TreeFile } from "./slice-files.ts";

/** One file of a partition's part: all of it, or a piece. */
export interface SliceItem {
  readonly file: TreeFile;
  /** Undefined: the whole file. */
  readonly piece: FilePiece | undefined;
}

export interface SliceTarget {
  /** Absolute path that does not exist yet. */
  readonly path: string;
  /** The input is one file, so the part is one too. */
  readonly isFile: boolean;
  /** The real path of the input's root. */
  readonly root: string;
  /** Whole files may be linked: they are sealed and of the same file system. */
  readonly canLink: boolean;
  readonly bytesMax: number;
  /** Called with the bytes that take room on the disk, before they are written. @throws exhausted/CACHE_FULL. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export interface WrittenSlice {
  readonly sizeBytes: number;
  /** Of those, bytes that share the disk with the input. */
  readonly linkedBytes: number;
}

/** Writes a partition's part. @throws DomainError exhausted/SOURCE_TOO_LARGE, exhausted/CACHE_FULL. */
export async function writeSlice(items: readonly SliceItem[], target: SliceTarget): Promise<WrittenSlice> {
  const sizeBytes = items.reduce((sum, item) => sum + itemBytes(item), 0);
  throwIfOver(sizeBytes, target.bytesMax);
  const linked = items.filter(({ file, piece }) => target.canLink && piece === undefined && !file.isLink);
  const linkedBytes = linked.reduce((sum, item) => sum + itemBytes(item), 0);
  target.onBytes(sizeBytes - linkedBytes);
  if (target.isFile && items.length === 0) await (await open(target.path, "wx")).close();
  if (!target.isFile) mkdirSync(target.path);
  const written: string[] = [];
  for (const [at, item] of items.entries()) {
    target.signal.throwIfAborted();
    const path = target.isFile ? target.path : join(target.path, item.file.path);
    if (!target.isFile) mkdirSync(dirname(path), { recursive: true });
    if (await writeItem(item, path, target)) written.push(path);
    // Synchronous calls are faster for small files, but others want a turn too.
    if (at % TURN_FILES === 0) await setImmediate();
  }
  if (written.length > 0) await syncFiles("/", written);
  return { sizeBytes, linkedBytes };
}

/** @throws DomainError exhausted/SOURCE_TOO_LARGE. */
export function throwIfOver(sizeBytes: number, bytesMax: number): void {
  if (sizeBytes <= bytesMax) return;
  throw new DomainError("exhausted", "SOURCE_TOO_LARGE", `The partition's part has ${sizeBytes} bytes; ${bytesMax} are allowed.`, {
    hint: "Ask for more disk in the job's resources, or for more partitions.",
  });
}

/** Bytes of an item; its header lines count. */
export function itemBytes({ file, piece }: SliceItem): number {
  return piece === undefined ? file.sizeBytes : piece.headBytes + piece.sizeBytes;
}

/** Whether bytes were written. */
async function writeItem({ file, piece }: SliceItem, path: string, { root, canLink, signal }: SliceTarget): Promise<boolean> {
  if (file.isLink) symlinkSync(readlinkSync(file.source), path);
  else if (piece === undefined && canLink) linkSync(file.source, path);
  else {
    await using source = await openWithin(root, file.source);
    if (piece === undefined) return cloneFile(source, path);
    await using written = await open(path, "wx");
    await copyRange(source, written, { from: 0, to: piece.headBytes, signal });
    await copyRange(source, written, { from: piece.offset, to: piece.offset + piece.sizeBytes, signal });
    return true;
  }
  return false;
}

/** By the descriptor, which is the file that was looked at. */
function cloneFile(source: FileHandle, path: string): boolean {
  copyFileSync(`/proc/self/fd/${source.fd}`, path, fs.COPYFILE_EXCL | fs.COPYFILE_FICLONE);
  return true;
}

interface ByteRange {
  readonly from: number;
  readonly to: number;
  readonly signal: AbortSignal;
}

async function copyRange(source: FileHandle, target: FileHandle, { from, to, signal }: ByteRange): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(to - from, 0)));
  for (let at = from; at < to;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, to - at), at);
    if (bytesRead === 0)
      throw new DomainError("unavailable", "SOURCE_CHANGED", "A file of the input became shorter while it was divided.", {
        hint: "Run the job again when nobody writes to the input.",
      });
    await target.writeFile(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

const TURN_FILES = 256;
const COPY_BYTES = 1_048_576;
