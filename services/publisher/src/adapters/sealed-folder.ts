import { chmod, cp, lstat, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/** Moves a folder, between file systems too; then the copy appears under its name only when it is whole. */
export async function moveFolder(from: string, to: string, scratch: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await cp(from, scratch, { recursive: true, verbatimSymlinks: true, filter: isCopied });
    await rename(scratch, to);
    await removeFolder(from);
  }
}

/** Removes a tree, sealed or not. Missing is fine. */
export async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!isRefused(error)) throw error;
    await unsealFolder(path);
    await rm(path, { recursive: true, force: true });
  }
}

/** Makes the folders of a sealed tree writable for their owner again. */
export async function unsealFolder(path: string): Promise<void> {
  await chmod(path, 0o755);
  for (const entry of await readdir(path, { withFileTypes: true })) if (entry.isDirectory()) await unsealFolder(join(path, entry.name));
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

function isRefused(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "EACCES" || code === "EPERM";
}
