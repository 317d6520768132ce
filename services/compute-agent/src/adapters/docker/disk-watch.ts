import { opendir, lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../ports.ts";

const WATCH_INTERVAL_MS = 1_000;

/** Folders fuller than this are over any quota, and so are those too deep to be looked into. */
const ENTRIES_MAX = 1_000_000;

/**
 * Bytes that the files below `folders` occupy; stops counting beyond `bytesMax`. Follows no links. A file that vanishes meanwhile
 * counts as nothing.
 */
export async function measureDiskUse(folders: readonly string[], bytesMax: number): Promise<number> {
  const todo = [...folders];
  let bytes = 0;
  let entries = 0;
  for (let folder = todo.pop(); folder !== undefined && bytes <= bytesMax; folder = todo.pop()) {
    const found = await listFolder(folder);
    if (found === "too deep") return Number.POSITIVE_INFINITY;
    for (const entry of found) {
      entries += 1;
      if (entries > ENTRIES_MAX) return Number.POSITIVE_INFINITY;
      if (entry.isDirectory) todo.push(entry.path);
      else bytes += await allocatedBytes(entry.path);
    }
  }
  return bytes;
}

/** True as soon as the folders occupy more than `bytesMax`; false when `ended` resolves or the signal is aborted before. */
export async function untilOverDisk(
  folders: readonly string[],
  bytesMax: number,
  { clock, signal, ended }: { readonly clock: Clock; readonly signal: AbortSignal; readonly ended: Promise<boolean> },
): Promise<boolean> {
  const tick = async (): Promise<boolean> =>
    await clock.sleep(WATCH_INTERVAL_MS, signal).then(
      () => false,
      () => true,
    );
  while (!(await Promise.race([ended, tick()]))) {
    if ((await measureDiskUse(folders, bytesMax)) > bytesMax) return true;
  }
  return false;
}

async function listFolder(path: string): Promise<readonly { path: string; isDirectory: boolean }[] | "too deep"> {
  try {
    const found: { path: string; isDirectory: boolean }[] = [];
    for await (const entry of await opendir(path)) found.push({ path: join(path, entry.name), isDirectory: entry.isDirectory() });
    return found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENAMETOOLONG") return "too deep";
    // Gone or closed to us since it was listed; the next round sees what is there then.
    return [];
  }
}

async function allocatedBytes(path: string): Promise<number> {
  try {
    return (await lstat(path)).blocks * 512;
  } catch {
    return 0;
  }
}
