import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";

/**
 * Resolves when the files at `paths` below `folder`, and the folder itself, are on the disk. Few are synced one by one; for many,
 * one call for the file system is far cheaper.
 */
export async function syncFiles(folder: string, paths: readonly string[]): Promise<void> {
  if (paths.length > FILES_ONE_BY_ONE && (await syncFileSystem(folder))) return;
  for (const path of [...paths, "."]) {
    await using file = await open(join(folder, path), "r");
    await file.sync();
  }
}

async function syncFileSystem(folder: string): Promise<boolean> {
  const child = spawn("sync", ["--file-system", folder], { stdio: "ignore" });
  try {
    const [code] = await once(child, "exit");
    return code === 0;
  } catch {
    // No such program here: the files are synced one by one.
    return false;
  }
}

const FILES_ONE_BY_ONE = 64;
