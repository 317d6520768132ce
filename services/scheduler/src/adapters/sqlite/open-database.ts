import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DomainError } from "@skrei/domain";
import { migrate } from "./schema.ts";
import { sqliteCode, toStoreError } from "./sqlite-errors.ts";

export interface OpenDatabase {
  readonly database: DatabaseSync;
  close(): void;
}

/**
 * Opens the file for this process alone. The lock is the kernel's, held through SQLite, so that a killed process leaves none
 * behind; the file beside it only tells a second process whom to look for.
 * @throws DomainError conflict/DATA_LOCKED, precondition/DATA_TOO_NEW, unavailable/STORE_UNAVAILABLE.
 */
export function openDatabase(path: string): OpenDatabase {
  const isFile = path !== ":memory:";
  const ownerPath = `${path}.owner`;
  try {
    if (isFile) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(path);
    try {
      lockAndMigrate(database);
      if (isFile) claim(path, ownerPath);
    } catch (error) {
      database.close();
      throw error;
    }
    return {
      database,
      close() {
        if (isFile) rmSync(ownerPath, { force: true });
        database.close();
      },
    };
  } catch (error) {
    throw isLocked(error) ? dataLocked(path, ownerPath, error) : toStoreError(error, path);
  }
}

function lockAndMigrate(database: DatabaseSync): void {
  // NOTE: exclusive mode comes before the first access in WAL mode, else the lock would be SQLite's shared one.
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0");
  database.exec("PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; BEGIN IMMEDIATE; COMMIT");
  migrate(database);
}

function claim(path: string, ownerPath: string): void {
  // Nodes' sessions are in it.
  chmodSync(path, 0o600);
  writeFileSync(ownerPath, `${process.pid}\n`, { mode: 0o600 });
}

function isLocked(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

function dataLocked(path: string, ownerPath: string, cause: unknown): DomainError {
  const pid = readOwner(ownerPath);
  const who = pid === undefined ? "another process" : `process ${pid}`;
  return new DomainError("conflict", "DATA_LOCKED", `The state in ${path} is in use by ${who}.`, {
    hint: `Stop ${who}, or give this one another data directory.`,
    metadata: pid === undefined ? {} : { pid },
    cause,
  });
}

function readOwner(ownerPath: string): string | undefined {
  try {
    return readFileSync(ownerPath, "utf8").trim() || undefined;
  } catch {
    return undefined; // The other process has the lock and has not written its name yet.
  }
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
