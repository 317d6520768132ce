import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { type Evictable, planEviction } from "../domain/eviction.ts";
import type { CacheEntry, CacheState, Clock, InputCache, Reservation, Validators } from "../ports.ts";
import { CacheDatabase } from "./cache-database.ts";
import { fingerprintOf, removeEntry, sealEntry } from "./entry-files.ts";

export interface DirectoryCacheOptions {
  readonly folder: string;
  /** All entries and what is on its way. */
  readonly bytesMax: number;
  readonly clock: Clock;
  /** Called when an entry was changed on the disk. */
  readonly onChanged: (key: string) => void;
}

/** Inputs as files and folders below `entries`, named at random, with rows in SQLite. One process at a time. */
export class DirectoryCache implements InputCache, Disposable {
  readonly #database: CacheDatabase;
  readonly #options: DirectoryCacheOptions;
  readonly #reserved = new Map<string, number>();

  private constructor(database: CacheDatabase, options: DirectoryCacheOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** Opens the cache and removes what no row tells of: half downloads, and entries that were being added or removed. */
  static async open(options: DirectoryCacheOptions): Promise<DirectoryCache> {
    const { folder } = options;
    await removeEntry(join(folder, "scratch"));
    for (const name of ["scratch", "entries"]) await mkdir(join(folder, name), { recursive: true });
    const database = new CacheDatabase(join(folder, "index.sqlite"));
    try {
      const cache = new DirectoryCache(database, options);
      await cache.#reconcile();
      return cache;
    } catch (error) {
      database[Symbol.dispose]();
      throw error;
    }
  }

  async lease(key: string, leaseId: string): Promise<CacheEntry | undefined> {
    const row = this.#find(key);
    if (row === undefined) return undefined;
    // Leased before the files are looked at: eviction may run meanwhile.
    const wasLeased = this.#database.first("SELECT 1 FROM lease WHERE lease_id = ? AND key = ?", leaseId, key) !== undefined;
    this.#database.run("INSERT OR IGNORE INTO lease (lease_id, key) VALUES (?, ?)", leaseId, key);
    const path = this.#pathOf(row.name);
    if ((await fingerprintOf(path)) !== row.fingerprint) {
      this.#options.onChanged(key);
      if (!wasLeased) this.#database.run("DELETE FROM lease WHERE lease_id = ? AND key = ?", leaseId, key);
      await this.#forget(row);
      return undefined;
    }
    this.#database.run("UPDATE entry SET used_ms = ? WHERE key = ?", this.#options.clock.nowMs(), key);
    return { key, path, sizeBytes: row.size_bytes };
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  reserve(): Reservation {
    const name = randomUUID();
    const path = join(this.#options.folder, "scratch", name);
    this.#reserved.set(path, 0);
    const release = async (): Promise<void> => {
      this.#reserved.delete(path);
      await removeEntry(path);
    };
    return { path, cover: (sizeBytes) => this.#cover(path, sizeBytes), [Symbol.asyncDispose]: release };
  }

  async commit(key: string, { path }: Reservation, sizeBytes: number): Promise<void> {
    await sealEntry(path);
    if (this.has(key)) return await removeEntry(path);
    const name = randomUUID();
    const fingerprint = await fingerprintOf(path);
    // Between the rename and the row it is an orphan, which the next start removes.
    await rename(path, this.#pathOf(name));
    this.#reserved.delete(path);
    const values = [key, name, sizeBytes, fingerprint ?? "", this.#options.clock.nowMs()] as const;
    this.#database.run("INSERT INTO entry (key, name, size_bytes, fingerprint, used_ms) VALUES (?, ?, ?, ?, ?)", ...values);
  }

  release(leaseId: string): void {
    this.#database.run("DELETE FROM lease WHERE lease_id = ?", leaseId);
  }

  findLocator(locator: string): { key: string; validators: Validators } | undefined {
    const row = this.#database.first<LocatorRow>("SELECT key, etag, last_modified FROM locator WHERE locator = ?", locator);
    return row === undefined ? undefined : { key: row.key, validators: { etag: row.etag, lastModified: row.last_modified } };
  }

  keepLocator(locator: string, { key, validators }: { readonly key: string; readonly validators: Validators }): void {
    this.#database.run(
      "INSERT OR REPLACE INTO locator (locator, key, etag, last_modified) VALUES (?, ?, ?, ?)",
      locator,
      key,
      validators.etag,
      validators.lastModified,
    );
  }

  state(): CacheState {
    const row = this.#database.first<StateRow>(
      "SELECT count(*) AS entries, coalesce(sum(size_bytes), 0) AS bytes, count(*) FILTER (WHERE EXISTS (SELECT 1 FROM lease WHERE lease.key = entry.key)) AS pinned FROM entry",
    );
    return { entries: row?.entries ?? 0, sizeBytes: row?.bytes ?? 0, pinnedEntries: row?.pinned ?? 0 };
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }

  #find(key: string): EntryRow | undefined {
    return this.#database.first<EntryRow>("SELECT * FROM entry WHERE key = ?", key);
  }

  #pathOf(name: string): string {
    return join(this.#options.folder, "entries", name);
  }

  #cover(path: string, sizeBytes: number): void {
    if (sizeBytes <= (this.#reserved.get(path) ?? 0)) return;
    const others = [...this.#reserved].reduce((sum, [other, bytes]) => (other === path ? sum : sum + bytes), 0);
    const { sizeBytes: usedBytes } = this.state();
    const overBytes = usedBytes + others + sizeBytes - this.#options.bytesMax;
    if (overBytes > 0) this.#evict(overBytes, sizeBytes);
    this.#reserved.set(path, Math.max(sizeBytes, Math.min(sizeBytes + RESERVE_AHEAD_BYTES, this.#options.bytesMax - usedBytes - others)));
  }

  #evict(bytes: number, wantedBytes: number): void {
    const rows = this.#database.all<EntryRow & { leased: number }>(
      "SELECT *, EXISTS (SELECT 1 FROM lease WHERE lease.key = entry.key) AS leased FROM entry",
    );
    const entries = rows.map((row): Evictable => ({
      key: row.key,
      sizeBytes: row.size_bytes,
      isLeased: row.leased === 1,
      usedAtMs: row.used_ms,
    }));
    const { keys, missingBytes } = planEviction(entries, bytes);
    if (missingBytes > 0) {
      const leasedBytes = entries.reduce((sum, entry) => (entry.isLeased ? sum + entry.sizeBytes : sum), 0);
      throw new DomainError(
        "exhausted",
        "CACHE_FULL",
        `The input cache has no room for ${wantedBytes} bytes: ${leasedBytes} of its ${this.#options.bytesMax} bytes are in use by executions and ${missingBytes} bytes are missing.`,
        {
          hint: "Wait for executions to end, or raise cacheBytesMax.",
          metadata: { leasedBytes: String(leasedBytes), cacheBytesMax: String(this.#options.bytesMax), missingBytes: String(missingBytes) },
        },
      );
    }
    for (const row of rows) if (keys.includes(row.key)) this.#remove(row);
  }

  /** The row at once, the files when there is time; the next start removes what is left of them. */
  #remove(row: EntryRow): void {
    this.#database.run("DELETE FROM entry WHERE key = ?", row.key);
    removeEntry(this.#pathOf(row.name)).catch(() => undefined); // As above.
  }

  /** A changed entry may still be mounted somewhere; then its files stay until the next start. */
  async #forget(row: EntryRow): Promise<void> {
    this.#database.run("DELETE FROM entry WHERE key = ? AND name = ?", row.key, row.name);
    const isLeased = this.#database.first("SELECT 1 FROM lease WHERE key = ? LIMIT 1", row.key) !== undefined;
    if (!isLeased) await removeEntry(this.#pathOf(row.name));
  }

  async #reconcile(): Promise<void> {
    const rows = this.#database.all<EntryRow>("SELECT * FROM entry");
    const names = new Set(await readdir(join(this.#options.folder, "entries")));
    for (const row of rows) if (!names.has(row.name)) this.#database.run("DELETE FROM entry WHERE key = ?", row.key);
    const known = new Set(rows.map(({ name }) => name));
    for (const name of names) if (!known.has(name)) await removeEntry(this.#pathOf(name));
    this.#database.run("DELETE FROM lease WHERE key NOT IN (SELECT key FROM entry)");
    this.#database.run("DELETE FROM locator WHERE key NOT IN (SELECT key FROM entry)");
  }
}

interface EntryRow {
  readonly key: string;
  readonly name: string;
  readonly size_bytes: number;
  readonly fingerprint: string;
  readonly used_ms: number;
}

interface LocatorRow {
  readonly key: string;
  readonly etag: string;
  readonly last_modified: string;
}

interface StateRow {
  readonly entries: number;
  readonly bytes: number;
  readonly pinned: number;
}

/** Room is made in steps, so that not every piece of a download asks the database. */
const RESERVE_AHEAD_BYTES = 16 * 1_048_576;
