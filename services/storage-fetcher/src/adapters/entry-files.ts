import { createHash } from "node:crypto";
import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Takes away every write permission below `path`. Links are left as they are. */
export async function sealEntry(path: string): Promise<void> {
  const status = await lstat(path);
  if (status.isDirectory()) {
    for (const name of await readdir(path)) await sealEntry(join(path, name));
    await chmod(path, 0o555);
  } else if (status.isFile()) {
    await chmod(path, 0o444);
  }
}

/**
 * Says whether an entry is as it was: names, sizes, times and modes of everything below it. Undefined when it is gone, or is a link: a
 * mount would follow it out of the cache.
 */
export async function fingerprintOf(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    if ((await lstat(path)).isSymbolicLink()) return undefined;
    await addToFingerprint(path, "", (line) => hash.update(line));
  } catch {
    // Gone or unreadable: no longer the entry that was made.
    return undefined;
  }
  return hash.digest("hex");
}

/** Removes an entry, sealed or not. Missing is fine. */
export async function removeEntry(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    await unsealFolders(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function addToFingerprint(path: string, name: string, add: (line: string) => void): Promise<void> {
  const status = await lstat(path, { bigint: true });
  const isFolder = status.isDirectory();
  add(`${JSON.stringify(name)} ${status.mode} ${isFolder ? 0 : status.size} ${status.mtimeNs}\n`);
  if (!isFolder) return;
  for (const below of (await readdir(path)).toSorted()) await addToFingerprint(join(path, below), `${name}/${below}`, add);
}

async function unsealFolders(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o755);
  for (const entry of await readdir(path, { withFileTypes: true })) if (entry.isDirectory()) await unsealFolders(join(path, entry.name));
}
