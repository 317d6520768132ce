import { randomUUID } from "node:crypto";
import { lstatSync, renameSync, rmSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { diskBytes, type Evictable } from "../domain/eviction.ts";
import type { CacheEntry, CacheRoomState, Clock, EntrySize, InputCache, Reservation, Validators } from "../ports.ts";
import { CacheDatabase } from "./cache-database.ts";
import { CacheRoom, type RoomLimits } from "./cache-room.ts";
import { fingerprintOf, inspectEntry, removeEntry, sealEntry } from "./entry-files.ts";
import { PartialDownloads } from "./partial-downloads.ts";

export interface DirectoryCacheOptions extends RoomLimits {
  readonly folder: string;
  readonly clock: Clock;
  /** Entries beyond these are removed, those not used for longest first and never a leased one. Default 10,000. */
  readonly entriesMax?: number;
  /** Called when an entry was changed on the disk. */
  readonly onChanged: (key: string) => void;
}

/** Inputs as files and folders below `entries`, named at random, with rows in SQLite. One process at a time. */
export class DirectoryCache implements InputCache, Disposable {
  readonly #database: CacheDatabase;
  readonly #options: DirectoryCacheOptions;
  readonly #partials: PartialDownloads;
  readonly #room: CacheRoom;
  /** When large entries were last looked at as a whole, by name. */
  readonly #inspected = new Map<string, { readonly atMs: number; readonly root: string }>();

  private constructor(database: CacheDatabase, options: DirectoryCacheOptions) {
    const { folder, clock } = options;
    this.#database = database;
    this.#options = options;
    this.#partials = new PartialDownloads(database, { folder: join(folder, "partial"), clock });
    this.#room = new CacheRoom({
      folder,
      limits: options,
      clock,
      entries: () => this.#evictables(),
      entryBytes: () => this.#entryBytes(),
      idlePartials: () => this.#partials.idle(),
      evict: (keys) => {
        const evicted = new Set(keys);
        for (const row of this.#rows()) if (evicted.has(row.key)) this.#remove(row);
      },
      dropPartial: (name) => this.#partials.drop(name),
    });
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
    // Leased before the files are looked at: eviction may run meanwhile. No execution outlives a power cut, so no lease has to.
    const wasLeased = this.#database.first("SELECT 1 FROM lease WHERE lease_id = ? AND key = ?", leaseId, key) !== undefined;
    this.#database.note("INSERT OR IGNORE INTO lease (lease_id, key) VALUES (?, ?)", leaseId, key);
    if (!(await this.#isAsMade(row))) {
      this.#options.onChanged(key);
      if (!wasLeased) this.#database.run("DELETE FROM lease WHERE lease_id = ? AND key = ?", leaseId, key);
      await this.#forget(row);
      return undefined;
    }
    this.#database.note("UPDATE entry SET used_ms = ? WHERE key = ?", this.#options.clock.nowMs(), key);
    return { key, path: this.#pathOf(row.name), sizeBytes: row.size_bytes };
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  owns(path: string): boolean {
    return dirname(path) === join(this.#options.folder, "entries") && this.#rowOf(basename(path)) !== undefined;
  }

  reserve(name?: string): Reservation {
    const place = name === undefined ? undefined : this.#partials.open(name);
    const path = place?.path ?? join(this.#options.folder, "scratch", randomUUID());
    this.#room.open(path, place?.partial.found?.sizeBytes ?? 0);
    const release = async (): Promise<void> => {
      this.#room.close(path);
      if (place?.isKept() !== true) await removeEntry(path);
      place?.close();
    };
    return { path, partial: place?.partial, cover: (sizeBytes) => this.#room.cover(path, sizeBytes), [Symbol.asyncDispose]: release };
  }

  async commit(key: string, { path, partial }: Reservation, { sizeBytes, shared }: EntrySize): Promise<void> {
    partial?.drop();
    await sealEntry(path);
    const fingerprint = await fingerprintOf(path);
    if (this.has(key)) return await removeEntry(path);
    const name = randomUUID();
    // Between the rename and the row it is an orphan, which the next start removes.
    renameSync(path, this.#pathOf(name));
    try {
      if (shared !== undefined)
        this.#database.run(
          "INSERT INTO shared (name, base_name, size_bytes) VALUES (?, ?, ?)",
          name,
          basename(shared.path),
          shared.sizeBytes,
        );
      const values = [key, name, sizeBytes, fingerprint ?? "", this.#options.clock.nowMs()] as const;
      this.#database.run("INSERT INTO entry (key, name, size_bytes, fingerprint, used_ms) VALUES (?, ?, ?, ?, ?)", ...values);
    } catch (error) {
      await removeEntry(this.#pathOf(name));
      throw error;
    }
    this.#room.close(path);
    this.#boundEntries(key);
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

  state(): CacheRoomState {
    const { bytesMax, freeBytesMin } = this.#options;
    const entries = this.#evictables();
    return {
      entries: entries.length,
      sizeBytes: diskBytes(entries),
      pinnedEntries: entries.filter(({ isLeased }) => isLeased).length,
      bytesMax,
      freeBytes: this.#room.freeBytes(),
      freeBytesMin,
    };
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

  #rowOf(name: string): EntryRow | undefined {
    return this.#database.first<EntryRow>("SELECT * FROM entry WHERE name = ?", name);
  }

  #rows(): readonly EntryRow[] {
    return this.#database.all<EntryRow>("SELECT * FROM entry");
  }

  /** Parts of divided inputs may be tiny and many: each costs time wherever entries are looked through, and files. */
  #boundEntries(newestKey: string): void {
    const { entriesMax = ENTRIES_MAX } = this.#options;
    const count = this.#database.first<{ count: number }>("SELECT count(*) AS count FROM entry")?.count ?? 0;
    if (count <= entriesMax) return;
    const oldest = this.#database.all<EntryRow>(
      "SELECT * FROM entry WHERE NOT EXISTS (SELECT 1 FROM lease WHERE lease.key = entry.key) AND key <> ? ORDER BY used_ms LIMIT ?",
      newestKey,
      // A little more than needed, so that not each one that comes looks for another.
      count - entriesMax + Math.floor(entriesMax * SLACK),
    );
    for (const row of oldest) this.#remove(row);
    this.#database.run(FORGET_LOCATORS);
  }

  /** As `diskBytes` of all entries, which takes longer. */
  #entryBytes(): number {
    const row = this.#database.first<{ bytes: number }>(
      "SELECT (SELECT total(size_bytes) FROM entry) - (SELECT total(shared.size_bytes) FROM shared JOIN entry ON entry.name = shared.name JOIN entry AS base ON base.name = shared.base_name) AS bytes",
    );
    return row?.bytes ?? 0;
  }

  #evictables(): readonly Evictable[] {
    const rows = this.#database.all<UsedRow>(
      "SELECT entry.key, entry.size_bytes, entry.used_ms, EXISTS (SELECT 1 FROM lease WHERE lease.key = entry.key) AS leased, base.key AS base_key, shared.size_bytes AS shared_bytes FROM entry LEFT JOIN shared ON shared.name = entry.name LEFT JOIN entry AS base ON base.name = shared.base_name",
    );
    return rows.map(({ key, size_bytes: sizeBytes, used_ms: usedAtMs, leased, base_key: base, shared_bytes: sharedBytes }) => ({
      key,
      sizeBytes,
      usedAtMs,
      isLeased: leased === 1,
      ...(base !== null && sharedBytes !== null && { shared: { key: base, sizeBytes: sharedBytes } }),
    }));
  }

  /**
   * Whether an entry is as it was made. All of a large one is looked at when it is first used and once in a while; in between
   * its root is, and nobody but the operator could write to the rest.
   */
  async #isAsMade({ name, fingerprint }: EntryRow): Promise<boolean> {
    const path = this.#pathOf(name);
    const nowMs = this.#options.clock.nowMs();
    const root = rootOf(path);
    const last = this.#inspected.get(name);
    if (last !== undefined && last.root === root && nowMs - last.atMs < INSPECT_MS) return true;
    this.#inspected.delete(name);
    const inspected = await inspectEntry(path);
    if (inspected?.fingerprint !== fingerprint) return false;
    if (inspected.count > LARGE_COUNT) this.#inspected.set(name, { atMs: nowMs, root });
    return true;
  }

  /** The row at once, the files when there is time; the next start removes what is left of them. */
  #remove(row: EntryRow): void {
    this.#database.run("DELETE FROM entry WHERE key = ?", row.key);
    this.#database.run("DELETE FROM shared WHERE name = ?", row.name);
    this.#inspected.delete(row.name);
    const path = this.#pathOf(row.name);
    // A file is gone at once, so that the room it leaves is not counted twice; a folder may take a while.
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return rmSync(path, { force: true });
    this.#room.leaving(row.size_bytes, removeEntry(path)).catch(() => undefined); // As above.
  }

  /** A changed entry may still be mounted somewhere; then its files stay until the next start. */
  async #forget(row: EntryRow): Promise<void> {
    this.#database.run("DELETE FROM entry WHERE key = ? AND name = ?", row.key, row.name);
    this.#database.run("DELETE FROM shared WHERE name = ?", row.name);
    this.#inspected.delete(row.name);
    const isLeased = this.#database.first("SELECT 1 FROM lease WHERE key = ? LIMIT 1", row.key) !== undefined;
    if (!isLeased) await removeEntry(this.#pathOf(row.name));
  }

  async #reconcile(): Promise<void> {
    const rows = this.#rows();
    const names = new Set(await readdir(join(this.#options.folder, "entries")));
    for (const row of rows) if (!names.has(row.name)) this.#database.run("DELETE FROM entry WHERE key = ?", row.key);
    const known = new Set(rows.map(({ name }) => name));
    for (const name of names) if (!known.has(name)) await removeEntry(this.#pathOf(name));
    this.#database.run("DELETE FROM shared WHERE name NOT IN (SELECT name FROM entry)");
    this.#database.run("DELETE FROM lease WHERE key NOT IN (SELECT key FROM entry)");
    this.#database.run(FORGET_LOCATORS);
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

interface UsedRow {
  readonly key: string;
  readonly size_bytes: number;
  readonly used_ms: number;
  readonly leased: number;
  readonly base_key: string | null;
  readonly shared_bytes: number | null;
}

function rootOf(path: string): string {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return status === undefined ? "" : `${status.ino} ${status.mode} ${status.size} ${status.mtimeNs}`;
}

/** What was learnt of sources whose data is gone. */
const FORGET_LOCATORS = "DELETE FROM locator WHERE key NOT IN (SELECT key FROM entry)";
const ENTRIES_MAX = 10_000;
const SLACK = 0.1;
const LARGE_COUNT = 200;
const INSPECT_MS = 60_000;
