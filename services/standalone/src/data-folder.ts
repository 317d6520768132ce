import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DomainError } from "@skrei/domain";
import { makeFolders } from "@skrei/platform/make-folders.ts";

export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  /** What survives the process. */
  readonly isKept: boolean;
}

/** The given folder, or a temporary one that is removed at the end. */
export async function openDataFolder(given: string | undefined): Promise<DataFolder> {
  if (given !== undefined) {
    const path = resolve(given);
    makeFolders(path, { mode: 0o700 });
    const lock = lockFolder(path);
    return { path, isKept: true, [Symbol.asyncDispose]: () => Promise.resolve(lock.close()) };
  }
  const path = await mkdtemp(join(tmpdir(), "skrei-"));
  return { path, isKept: false, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** SQLite's exclusive lock belongs to the process: the kernel lets go of it however the process ends. */
function lockFolder(path: string): DatabaseSync {
  const lock = new DatabaseSync(join(path, "lock.sqlite"));
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw new DomainError("precondition", "DATA_LOCKED", `${path} is in use by another cluster`, {
      hint: "use that one, or choose another folder with --data",
      cause,
    });
  }
}
