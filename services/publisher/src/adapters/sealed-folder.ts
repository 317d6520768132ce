import { isUtf8 } from "node:buffer";
import { chmod, cp, lstat, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { removeTree } from "@skrei/platform/remove-tree.ts";

/** Moves a folder, between file systems too; then the copy appears under its name only when it is whole. */
export async function moveFolder(from: string, to: string, scratch: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await cp(from, scratch, { recursive: true, verbatimSymlinks: true, filter: isCopied });
    await rename(scratch, to);
    await removeTree(from);
  }
}

/** Makes the folders of a sealed tree writable for their owner again. Those with paths too long or not UTF-8 were never sealed. */
export async function unsealFolder(path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return;
  await chmod(path, 0o755);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: "buffer" }))
    if (entry.isDirectory() && isUtf8(entry.name)) await unsealFolder(join(path, entry.name.toString()));
}

/** True for a folder; false when there is nothing, or something else. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch {
    // Not there; the caller decides what that means.
    return false;
  }
}

async function isCopied(path: string): Promise<boolean> {
  const stat = await lstat(path);
  return stat.isFile() || stat.isDirectory() || stat.isSymbolicLink();
}

/** Of Linux, with room for one more name. */
const PATH_BYTES_MAX = 4_096 - 256 - 1;
