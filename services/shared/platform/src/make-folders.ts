import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Makes a folder and those above it, one by one: Node's recursive mkdir never ends where the system refuses with ENOENT, as below /proc. */
export function makeFolders(path: string, { mode = 0o777 }: { readonly mode?: number } = {}): void {
  const missing: string[] = [];
  let at = resolve(path);
  while (statSync(at, { throwIfNoEntry: false }) === undefined) {
    missing.push(at);
    at = dirname(at);
  }
  for (const folder of missing.toReversed()) makeFolder(folder, mode);
  // With the system's own error for what is there and no folder.
  if (missing.length === 0 && !statSync(at).isDirectory()) mkdirSync(at);
}

/** Another process may have made it since. */
function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
