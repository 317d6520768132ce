import { constants } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import type { FileEntry, TreeEntry } from "./tree-entries.ts";

/** True when `folder` holds exactly these entries with the same bytes. */
export async function isSameTree(entries: AsyncIterable<TreeEntry>, folder: string, signal: AbortSignal): Promise<boolean> {
  let count = (await readdir(folder)).length;
  for await (const entry of entries) {
    signal.throwIfAborted();
    const path = `${folder}/${entry.path}`;
    if (!(await isSameEntry(entry, path))) return false;
    count += entry.kind === "folder" ? (await readdir(path)).length - 1 : -1;
  }
  return count === 0;
}

async function isSameEntry(entry: TreeEntry, path: string): Promise<boolean> {
  try {
    const stat = await lstat(path);
    if (entry.kind === "folder") return stat.isDirectory();
    if (entry.kind === "symlink") return stat.isSymbolicLink() && (await readlink(path)) === entry.linkTarget;
    return stat.isFile() && stat.size === entry.sizeBytes && (await isSameFile(entry, path));
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

async function isSameFile(entry: FileEntry, path: string): Promise<boolean> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let at = 0;
  for await (const piece of entry.open()) {
    const there = Buffer.allocUnsafe(piece.length);
    const { bytesRead } = await file.read(there, 0, piece.length, at);
    if (bytesRead !== piece.length || !there.equals(piece)) return false;
    at += piece.length;
  }
  return true;
}
