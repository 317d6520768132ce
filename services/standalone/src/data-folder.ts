import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  /** What survives the process. */
  readonly isKept: boolean;
}

/** The given folder, or a temporary one that is removed at the end. */
export async function openDataFolder(given: string | undefined): Promise<DataFolder> {
  if (given !== undefined) {
    const path = resolve(given);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return { path, isKept: true, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const path = await mkdtemp(join(tmpdir(), "skrei-"));
  return { path, isKept: false, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}
