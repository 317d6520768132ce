import { constants } from "node:fs";
import { mkdir, open, symlink } from "node:fs/promises";
import { releaseBytes } from "./release-bytes.ts";
import type { FileEntry, TreeEntry } from "./tree-entries.ts";

interface WriteOptions {
  readonly onProgress: (bytesDone: number) => void;
  readonly signal: AbortSignal;
}

/** Writes a tree into a new folder. Gives the paths of its files and folders, relative to it. */
export async function writeTree(
  entries: AsyncIterable<TreeEntry>,
  folder: string,
  { onProgress, signal }: WriteOptions,
): Promise<readonly string[]> {
  const written: string[] = [];
  let bytesDone = 0;
  for await (const entry of entries) {
    signal.throwIfAborted();
    const path = `${folder}/${entry.path}`;
    if (entry.kind === "symlink") {
      await symlink(entry.linkTarget, path);
      continue;
    }
    written.push(entry.path);
    if (entry.kind === "folder") await mkdir(path);
    else for await (const bytes of writeFile(entry, path, signal)) onProgress((bytesDone += bytes));
  }
  return written;
}

/** Yields the bytes of each piece. */
async function* writeFile(entry: FileEntry, path: string, signal: AbortSignal): AsyncGenerator<number> {
  await using file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644);
  for await (const piece of entry.open()) {
    signal.throwIfAborted();
    const { length } = piece;
    await file.appendFile(piece);
    releaseBytes(piece);
    yield length;
  }
}
