import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";

/**
 * Resolves when the files at `paths` below `folder`, and the folder itself, are on the disk. Few are synced by themselves; for
 * many, one call for the file system is far cheaper.
 */
export async function syncFiles(folder: string, paths: readonly string[]): Promise<void> {
  if (paths.length > FILES_AT_ONCE && (await syncFileSystem(folder))) return;
  // All at once, so that the file system's journal takes them together.
  for (let start = 0; start < paths.length; start += FILES_AT_ONCE)
    await Promise.all(paths.slice(start, start + FILES_AT_ONCE).map(async (path) => await syncFile(join(folder, path))));
  await syncFile(folder);
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

async function syncFileSystem(folder: string): Promise<boolean> {
  const child = spawn("sync", ["--file-system", folder], { stdio: "ignore" });
  try {
    const [code] = await once(child, "exit");
    return code === 0;
  } catch {
    // No such program here: the files are synced by themselves.
    return false;
  }
}

const FILES_AT_ONCE = 64;
