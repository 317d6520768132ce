import { DatabaseSync, type StatementSync } from "node:sqlite";

/** The index of the store. One process at a time; each commit is on the disk when it returns, unless it says that it need not be. */
export class StoreDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    // FULL, not the NORMAL that WAL suggests: what was acknowledged must survive a power cut.
    this.#database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384;");
    this.#database.exec(SCHEMA);
  }

  run(sql: string, ...values: readonly Value[]): void {
    this.#prepare(sql).run(...values);
  }

  /** Rows as objects; `T` states what the columns hold. */
  all<T extends object>(sql: string, ...values: readonly Value[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  first<T extends object>(sql: string, ...values: readonly Value[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  /** Runs `work` as one atomic change. `work` is synchronous: nothing else can slip into the transaction. */
  change<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
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

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

export type Value = string | number | Uint8Array | null;

/*
 * block: blocks that the store owns, in the row or in a pack file. file_block: blocks that are parts of result files.
 * member: what a pinned root needs of others; of a staged result only its owned blocks, since its folder holds the rest.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS block (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, data BLOB, pack INTEGER, at INTEGER, stored_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS block_pack ON block (pack) WHERE pack IS NOT NULL;
CREATE TABLE IF NOT EXISTS pack (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS folder (id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS file_folder ON file (folder);
CREATE TABLE IF NOT EXISTS file_block (digest BLOB NOT NULL, file INTEGER NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (digest, file, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_block_file ON file_block (file);
CREATE TABLE IF NOT EXISTS result (execution_id TEXT PRIMARY KEY, folder INTEGER NOT NULL, cid TEXT NOT NULL, root BLOB NOT NULL, size_bytes INTEGER NOT NULL, skipped TEXT NOT NULL, parts TEXT NOT NULL, manifest_cid TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS result_root ON result (root);
CREATE TABLE IF NOT EXISTS pin (owner TEXT NOT NULL, root BLOB NOT NULL, PRIMARY KEY (owner, root)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pin_root ON pin (root);
CREATE TABLE IF NOT EXISTS member (root BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (root, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS member_digest ON member (digest);
`;
