import { createHash } from "node:crypto";
import { chmodSync, lstatSync, readdirSync, type Stats } from "node:fs";
import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

/** Takes away every write permission below `path`. Links are left as they are. */
export async function sealEntry(path: string): Promise<void> {
  const folders: string[] = [];
  for await (const found of walk(path)) {
    if (found.kind === "folder") folders.push(found.path);
    else if (found.kind === "file") chmodSync(found.path, 0o444);
  }
  for (const folder of folders.toReversed()) chmodSync(folder, 0o555);
}

/**
 * Says whether an entry is as it was: names, sizes, times and modes of everything below it. Undefined when it is gone, or is a link: a
 * mount would follow it out of the cache.
 */
export async function fingerprintOf(path: string): Promise<string | undefined> {
  return (await inspectEntry(path))?.fingerprint;
}

/** As `fingerprintOf`, with the number of files and folders that were looked at. */
export async function inspectEntry(path: string): Promise<{ readonly fingerprint: string; readonly count: number } | undefined> {
  const hash = createHash("sha256");
  let count = 0;
  try {
    if (lstatSync(path).isSymbolicLink()) return undefined;
    for await (const { name, kind, path: at } of walk(path)) {
      const { mode, size, mtimeNs } = lstatSync(at, { bigint: true });
      hash.update(`${JSON.stringify(name)} ${mode} ${kind === "folder" ? 0 : size} ${mtimeNs}\n`);
      count += 1;
    }
  } catch {
    // Gone or unreadable: no longer the entry that was made.
    return undefined;
  }
  return { fingerprint: hash.digest("hex"), count };
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

interface Walked {
  readonly path: string;
  /** Below the root, with a slash before each segment. */
  readonly name: string;
  readonly kind: "folder" | "file" | "other";
}

/** A folder before what is in it, in an order that depends on the names alone. */
async function* walk(root: string): AsyncGenerator<Walked> {
  const waiting = [""];
  let turn = 0;
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const path = join(root, name);
    const status = lstatSync(path);
    if (status.isDirectory()) for (const below of readdirSync(path).toSorted().toReversed()) waiting.push(`${name}/${below}`);
    yield { path, name, kind: kindOf(status) };
    // Synchronous calls are ten times as fast here, but others want a turn too.
    if (++turn % TURN_FILES === 0) await setImmediate();
  }
}

function kindOf(status: Stats): Walked["kind"] {
  if (status.isDirectory()) return "folder";
  return status.isFile() ? "file" : "other";
}

async function unsealFolders(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o755);
  for (const entry of await readdir(path, { withFileTypes: true })) if (entry.isDirectory()) await unsealFolders(join(path, entry.name));
}

const TURN_FILES = 256;
