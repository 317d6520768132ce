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

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    // It holds the secrets of all doors.
    chmodSync(path, 0o600);
    takeLock(this.#database);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    migrate(this.#database);
    this.#add = this.#database.prepare("INSERT INTO door VALUES (?, ?, ?)");
    this.#remove = this.#database.prepare("DELETE FROM door WHERE id = ?");
    this.#saveUse = this.#database.prepare("UPDATE door SET network_use = ? WHERE id = ?");
  }

  read(): readonly DoorRecord[] {
    return this.#database
      .prepare("SELECT opening, network_use FROM door ORDER BY id")
      .all()
      .map((row) => ({
        ...(JSON.parse(String(row["opening"])) as Omit<DoorRecord, "use">),
        use: JSON.parse(String(row["network_use"])) as NetworkUse,
      }));
  }

  add({ use, ...opening }: DoorRecord): void {
    this.#add.run(opening.executionId, JSON.stringify(opening), JSON.stringify(use));
  }

  remove(executionId: string): void {
    this.#remove.run(executionId);
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

/** A second proxy would take the sockets away from the first. The lock is the kernel's: it ends with the process. */
function takeLock(database: DatabaseSync): void {
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    database.close();
    throw new DomainError("precondition", "DATA_LOCKED", "Another network-proxy uses the data folder.", {
      hint: "Stop the other one, or give this one a folder of its own.",
      cause: error,
    });
  }
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
