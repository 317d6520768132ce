import { closeSync, fstatSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DomainError } from "@skrei/domain";
import { makeFolders } from "@skrei/platform/make-folders.ts";
import { asDiskError } from "./disk-error.ts";
import { statOf } from "./local-file.ts";

/** Files in the making; in the target folder, so that a rename puts them where they belong. */
export const PARTS_FOLDER = ".skrei-part";
const LOCK = "lock";
const OWNER = "owner";
const TRIES_MAX = 10;

/** A target folder into which this process alone downloads, until disposed. */
export interface ClaimedTarget extends Disposable {
  /** For files that are not whole yet; what is left there is taken up by the next download. */
  readonly partsFolder: string;
  /** Everything is whole: what lies there is of downloads that nobody goes on with. */
  dropParts(): void;
}

/**
 * The lock is SQLite's on an open file: the kernel drops it with the process, however that ends, so a stale one is none.
 * @throws DomainError conflict/DATA_LOCKED, exists/FIELD_INVALID when something else stands where the parts belong.
 */
export function claimTarget(target: string): ClaimedTarget {
  const partsFolder = join(target, PARTS_FOLDER);
  for (let tries = 1; ; tries++) {
    makeParts(partsFolder);
    const lock = tryLock(target, partsFolder);
    if (lock === undefined && tries < TRIES_MAX) continue;
    if (lock === undefined) throw locked(target, "");
    writeFileSync(join(partsFolder, OWNER), String(process.pid));
    return {
      partsFolder,
      dropParts: () => {
        for (const name of readdirSync(partsFolder))
          if (name !== LOCK && name !== OWNER) rmSync(join(partsFolder, name), { recursive: true, force: true });
      },
      [Symbol.dispose]: () => {
        // Names go before the lock does: whoever waits for it sees that it was of a file that is gone.
        rmSync(join(partsFolder, OWNER), { force: true });
        rmSync(join(partsFolder, LOCK), { force: true });
        removeIfEmpty(partsFolder);
        lock.close();
      },
    };
  }
}

/** Not through a link: it would lead out of the folder that was named. */
function makeParts(path: string): void {
  const stats = statOf(path);
  if (stats?.isDirectory() === true) return;
  if (stats !== undefined)
    throw new DomainError("exists", "FIELD_INVALID", `${path} is no folder; downloads keep what is not whole yet there.`, {
      hint: "Move it away, or choose another folder with --to.",
    });
  try {
    makeFolders(path);
  } catch (error) {
    throw asDiskError(error, path);
  }
}

/** Undefined when the file that was locked is gone since. */
function tryLock(target: string, partsFolder: string): DatabaseSync | undefined {
  const path = join(partsFolder, LOCK);
  const ino = inodeOf(path);
  if (ino === undefined) return undefined;
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch {
    database.close();
    throw locked(target, ownerOf(partsFolder));
  }
  if (statOf(path)?.ino === ino) return database;
  database.close();
  return undefined;
}

function inodeOf(path: string): number | undefined {
  try {
    const fd = openSync(path, "a");
    try {
      return fstatSync(fd).ino;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // Its folder went with the download that had it.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw asDiskError(error, path);
  }
}

function ownerOf(partsFolder: string): string {
  try {
    const pid = readFileSync(join(partsFolder, OWNER), "utf8");
    return /^\d{1,10}$/u.test(pid) ? ` (process ${pid})` : "";
  } catch {
    // It has only begun, or is just done.
    return "";
  }
}

function locked(target: string, owner: string): DomainError {
  return new DomainError("conflict", "DATA_LOCKED", `Another download${owner} writes to ${target}.`, {
    hint: "Wait for it to end, or choose another folder with --to.",
  });
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Parts that the next download takes up; or it is gone.
  }
}
