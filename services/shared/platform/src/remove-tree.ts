import { randomUUID } from "node:crypto";
import { chmod, readdir, rename, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes a tree whatever its maker did to it: took all rights away, or nested it deeper than a path can be long. Follows no link.
 * Missing is fine. Nobody may write below it any more.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await removeLifting(path);
  }
}

/** Lifts every folder up to the root before it is emptied, so that no path grows with the depth of the tree. */
async function removeLifting(root: string): Promise<void> {
  const lifting = `.lifted-${randomUUID()}-`;
  let lifted = 0;
  const waiting = await removeFiles(Buffer.from(root));
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const child of await removeFiles(folder)) {
      const place = Buffer.from(join(root, `${lifting}${lifted++}`));
      // Without it a folder that is not to be written cannot be moved either.
      await chmod(child, 0o700);
      await rename(child, place);
      waiting.push(place);
    }
    await rmdir(folder);
  }
  await rmdir(root);
}

/** Removes all but the folders in a folder, and gives those. As bytes: not every name is UTF-8. */
async function removeFiles(folder: Buffer): Promise<Buffer[]> {
  await chmod(folder, 0o700);
  const folders: Buffer[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: "buffer" })) {
    const path = Buffer.concat([folder, Buffer.from("/"), entry.name]);
    if (entry.isDirectory()) folders.push(path);
    else await unlink(path);
  }
  return folders;
}
