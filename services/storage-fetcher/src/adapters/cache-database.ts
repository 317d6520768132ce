import { DatabaseSync, type StatementSync } from "node:sqlite";
import { asCacheFull } from "../domain/cache-full.ts";

/** Rows of the input cache. One process at a time; each statement outlives the process once it returns. */
export class CacheDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    this.#database.exec(SCHEMA);
  }

  /** On the disk when it returns. */
  run(sql: string, ...values: readonly (string | number)[]): void {
    try {
      this.#prepare(sql).run(...values);
    } catch (error) {
      throw asCacheFull(error);
    }
  }

  /** For rows that need not outlive a power cut, without the milliseconds that the disk takes. A later `run` puts them on the disk too. */
  note(sql: string, ...values: readonly (string | number)[]): void {
    this.#database.exec("PRAGMA synchronous=NORMAL;");
    try {
      this.run(sql, ...values);
    } finally {
      this.#database.exec("PRAGMA synchronous=FULL;");
    }
  }

  all<T extends object>(sql: string, ...values: readonly (string | number)[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  first<T extends object>(sql: string, ...values: readonly (string | number)[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL, fingerprint TEXT NOT NULL, used_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (lease_id TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (lease_id, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lease_key ON lease (key);
CREATE TABLE IF NOT EXISTS locator (locator TEXT PRIMARY KEY, key TEXT NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (name TEXT PRIMARY KEY, base_name TEXT NOT NULL, size_bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS partial (name TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL, kept_ms INTEGER NOT NULL) WITHOUT ROWID;
`;
