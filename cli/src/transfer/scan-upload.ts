import { isUtf8 } from "node:buffer";
import { hash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, LIMITS } from "@skrei/domain";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag, buildSymlink, CHUNK_BYTES } from "@skrei/unixfs/file-dag.ts";
import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import type { NamedEntry } from "@skrei/unixfs/folder-shard.ts";

/** Where the bytes of a block are: here, or in a file that stays where it is. */
export type BlockPlace = { readonly block: Uint8Array } | { readonly path: string; readonly offset: number; readonly sizeBytes: number };

export interface ScannedUpload {
  readonly root: DagEntry;
  /** Every block once, by content id. */
  readonly blocks: ReadonlyMap<string, BlockPlace>;
  readonly files: number;
  /** FIFOs, sockets, devices, and names that are not UTF-8. */
  readonly skippedPaths: readonly string[];
}

/** Computes the content id of a file or folder without changing or copying it; `onBytes` hears of what was read. */
export async function scanUpload(
  path: string,
  signal: AbortSignal,
  onBytes: (sizeBytes: number) => void = () => undefined,
): Promise<ScannedUpload> {
  const blocks = new Map<string, BlockPlace>();
  const skippedPaths: string[] = [];
  // One for all files: each its own is a MiB of garbage for a file of a few bytes.
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let files = 0;
  const emit = (cid: { toString(): string }, block: Uint8Array): void => void blocks.set(cid.toString(), { block });

  async function scan(at: string, stats: Stats, depth: number): Promise<DagEntry | undefined> {
    signal.throwIfAborted();
    if (depth > LIMITS.resultDepthMax)
      throw new DomainError("invalid", "SOURCE_TOO_LARGE", `${path} has folders nested deeper than ${LIMITS.resultDepthMax}.`);
    if (stats.isSymbolicLink()) return buildSymlink(await readlink(at), emit);
    if (stats.isDirectory()) return scanFolder(at, depth);
    if (!stats.isFile()) {
      skippedPaths.push(at);
      return undefined;
    }
    files++;
    if (files > LIMITS.resultFilesMax)
      throw new DomainError("invalid", "SOURCE_TOO_LARGE", `${path} has more than ${LIMITS.resultFilesMax} files.`);
    return buildFileDag(await scanFile(at, { blocks, buffer, signal, onBytes }), emit);
  }
  async function scanFolder(at: string, depth: number): Promise<DagEntry> {
    const entries: NamedEntry[] = [];
    for (const bytes of (await readdir(at, { encoding: "buffer" })).toSorted(Buffer.compare)) {
      const name = bytes.toString();
      const child = join(at, name);
      if (!isUtf8(bytes)) {
        skippedPaths.push(child);
        continue;
      }
      const entry = await scan(child, await lstat(child), depth + 1);
      if (entry !== undefined) entries.push({ ...entry, name });
    }
    return buildFolderDag(entries, emit);
  }
  const root = await scan(path, await statOf(path), 0);
  if (root === undefined) throw new DomainError("invalid", "FIELD_INVALID", `${path} is neither a file nor a folder.`);
  return { root, blocks, files, skippedPaths };
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await lstat(path);
  } catch (cause) {
    throw new DomainError("invalid", "FIELD_INVALID", `The input ${path} does not exist here or cannot be read.`, {
      cause,
      hint: "Give a path of this machine.",
    });
  }
}

interface FileScan {
  readonly blocks: Map<string, BlockPlace>;
  /** For one file at a time. */
  readonly buffer: Buffer;
  readonly signal: AbortSignal;
  readonly onBytes: (sizeBytes: number) => void;
}

async function scanFile(path: string, { blocks, buffer, signal, onBytes }: FileScan): Promise<readonly DagEntry[]> {
  // Not to wait for a FIFO, nor to follow a link, that took the file's place.
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const leaves: DagEntry[] = [];
  let offset = 0;
  for (;;) {
    signal.throwIfAborted();
    const sizeBytes = await readFully(file, buffer, offset);
    onBytes(sizeBytes);
    if (sizeBytes === 0 && leaves.length > 0) break;
    const cid = rawCid(hash("sha256", buffer.subarray(0, sizeBytes), "buffer"));
    blocks.set(cid.toString(), { path, offset, sizeBytes });
    leaves.push({ cid, sizeBytes, dagBytes: sizeBytes });
    offset += sizeBytes;
    if (sizeBytes < CHUNK_BYTES) break;
  }
  return leaves;
}

async function readFully(file: Awaited<ReturnType<typeof open>>, buffer: Buffer, offset: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
