import { chmodSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { DomainError, type NetworkUse } from "@skrei/domain";
import type { DoorJournal, DoorRecord } from "../ports.ts";

/**
 * Open doors in a SQLite file. Not synced at each write: a process that is killed loses nothing, and when the power fails, so do
 * the tasks behind the doors.
 */
export class SqliteDoorJournal implements DoorJournal, Disposable {
  readonly #database: DatabaseSync;
  readonly #add: StatementSync;
  readonly #remove: StatementSync;
  readonly #saveUse: StatementSync;

  /** @throws DomainError precondition/DATA_LOCKED, precondition/CONFIG_INVALID, unavailable/STORE_UNAVAILABLE. */
  constructor(path: string) {
    this.#database = openDatabase(path);
    // It holds the secrets of all doors.
    chmodSync(path, 0o600);
    takeLock(this.#database);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    migrate(this.#database);
    this.#add = this.#database.prepare("INSERT INTO door VALUES (?, ?, ?)");
    this.#remove = this.#database.prepare("DELETE FROM door WHERE id = ?");
    this.#saveUse = this.#database.prepare("UPDATE door SET network_use = ? WHERE id = ?");
  }

  /** @throws DomainError unavailable/STORE_UNAVAILABLE when the file is damaged. */
  read(): readonly DoorRecord[] {
    try {
      return this.#database
        .prepare("SELECT opening, network_use FROM door ORDER BY id")
        .all()
        .map((row) => ({
          ...(JSON.parse(String(row["opening"])) as Omit<DoorRecord, "use">),
          use: JSON.parse(String(row["network_use"])) as NetworkUse,
        }));
    } catch (error) {
      throw unreadable(error);
    }
  }

  add({ use, ...opening }: DoorRecord): void {
    written(() => this.#add.run(opening.executionId, JSON.stringify(opening), JSON.stringify(use)));
  }

  remove(executionId: string): void {
    written(() => this.#remove.run(executionId));
  }

  saveUses(uses: ReadonlyMap<string, NetworkUse>): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const [executionId, use] of uses) this.#saveUse.run(JSON.stringify(use), executionId);
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path);
  } catch (error) {
    throw unreadable(error);
  }
}

/** A second proxy would take the sockets away from the first. The lock is the kernel's: it ends with the process. */
function takeLock(database: DatabaseSync): void {
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    database.close();
    if (!isLocked(error)) throw unreadable(error);
    throw new DomainError("precondition", "DATA_LOCKED", "Another network-proxy uses the data folder.", {
      hint: "Stop the other one, or give this one a folder of its own.",
      cause: error,
    });
  }
}

/** A full disk is the operator's to mend, and no secret of ours. */
function written(write: () => unknown): void {
  try {
    write();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DomainError("unavailable", "STORE_UNAVAILABLE", `The journal of doors cannot be written (${why}).`, {
      hint: "Make room on the disk of the network-proxy's data folder.",
      cause: error,
    });
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

const SQLITE_BUSY = 5;

/** What is in it cannot be guessed: a door opened with other rules than its own would be worse than none. */
function unreadable(cause: unknown): DomainError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new DomainError("unavailable", "STORE_UNAVAILABLE", `The journal of doors cannot be read (${why}).`, {
    hint: "Check the disk; when the file is damaged, move doors.db away: the tasks of now lose their network, later ones have it again.",
    cause,
  });
}

const SCHEMA_VERSION = 1;

function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) {
    throw new DomainError(
      "precondition",
      "CONFIG_INVALID",
      `the journal of doors has schema ${version}, this proxy knows ${SCHEMA_VERSION}`,
      {
        hint: "start the newer proxy that wrote it",
      },
    );
  }
  database.exec(`BEGIN;
    CREATE TABLE door (id TEXT PRIMARY KEY, opening TEXT NOT NULL, network_use TEXT NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA user_version = ${SCHEMA_VERSION};
    COMMIT`);
}
