import { DatabaseSync, type StatementSync } from "node:sqlite";
import { DomainError } from "@skrei/domain";
import { asStoreError } from "./store-layout.ts";
import { SCHEMA_STEPS } from "./store-schema.ts";

/** The index of the store. One process at a time; each commit is on the disk when it returns, unless it says that it need not be. */
export class StoreDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    // FULL, not the NORMAL that WAL suggests: what was acknowledged must survive a power cut.
    this.#database.exec(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;",
    );
    try {
      this.#migrate(path);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** Returns how many rows changed. */
  run(sql: string, ...values: readonly Value[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** Rows as objects; `T` states what the columns hold. */
  all<T extends object>(sql: string, ...values: readonly Value[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  first<T extends object>(sql: string, ...values: readonly Value[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  /** Runs `work` as one atomic change. A disk without room is exhausted/STORE_FULL. `work` is synchronous: nothing else can slip into the transaction. */
  change<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // A disk that is full may have ended the transaction already.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw asStoreError(error);
    }
  }

  /** As `change`, but a power cut may undo it (a crash of the process may not) until the next `change`, which syncs both. */
  changeLazily<T>(work: () => T): T {
    this.#database.exec("PRAGMA synchronous=NORMAL");
    try {
      return this.change(work);
    } finally {
      this.#database.exec("PRAGMA synchronous=FULL");
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** Stores made before versions were written say 0 and have what the first step makes, so that step may be repeated. */
  #migrate(path: string): void {
    const version = this.first<{ user_version: number }>("PRAGMA user_version")?.user_version ?? 0;
    if (version > SCHEMA_STEPS.length) {
      throw new DomainError(
        "invalid",
        "CONFIG_INVALID",
        `The store ${path} has version ${version}; this program knows ${SCHEMA_STEPS.length}.`,
        {
          hint: "Start the program that wrote it, or a newer one.",
        },
      );
    }
    for (const [index, step] of SCHEMA_STEPS.entries()) {
      if (index < version) continue;
      this.change(() => this.#database.exec(`${step} PRAGMA user_version = ${index + 1};`));
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

export type Value = string | number | Uint8Array | null;
