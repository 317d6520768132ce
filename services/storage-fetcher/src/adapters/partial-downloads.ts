import { hash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock, PartialDownload } from "../ports.ts";
import type { CacheDatabase } from "./cache-database.ts";

export interface PartialPlace {
  readonly path: string;
  readonly partial: PartialDownload;
  /** Whether something is kept there. */
  readonly isKept: () => boolean;
  /** Nobody writes there any more. */
  readonly close: () => void;
}

/** Downloads that were cut, as files named by what they are of, with rows that say how much of them is on the disk. */
export class PartialDownloads {
  readonly #database: CacheDatabase;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #open = new Set<string>();

  constructor(database: CacheDatabase, { folder, clock }: { readonly folder: string; readonly clock: Clock }) {
    this.#database = database;
    this.#folder = folder;
    this.#clock = clock;
    mkdirSync(folder, { recursive: true });
    this.#reconcile();
  }

  /** Where a download of that name is; what is older than a day is removed first. */
  open(name: string): PartialPlace {
    this.#dropOld();
    const file = hash("sha256", name);
    const path = join(this.#folder, file);
    this.#open.add(file);
    const found = this.#find(file);
    if (found === undefined) this.drop(file);
    const partial: PartialDownload = {
      found: found && { sizeBytes: found.size_bytes, validators: { etag: found.etag, lastModified: found.last_modified } },
      keep: (sizeBytes, { etag, lastModified }) =>
        this.#database.run(
          "INSERT OR REPLACE INTO partial (name, size_bytes, etag, last_modified, kept_ms) VALUES (?, ?, ?, ?, ?)",
          ...([file, sizeBytes, etag, lastModified, this.#clock.nowMs()] as const),
        ),
      drop: () => this.#database.run("DELETE FROM partial WHERE name = ?", file),
    };
    return { path, partial, isKept: () => this.#row(file) !== undefined, close: () => void this.#open.delete(file) };
  }

  /** Those that nobody goes on with now, the oldest first. */
  idle(): readonly { readonly name: string; readonly sizeBytes: number }[] {
    const rows = this.#database.all<PartialRow>("SELECT * FROM partial ORDER BY kept_ms");
    return rows.filter(({ name }) => !this.#open.has(name)).map(({ name, size_bytes: sizeBytes }) => ({ name, sizeBytes }));
  }

  drop(name: string): void {
    this.#database.run("DELETE FROM partial WHERE name = ?", name);
    rmSync(join(this.#folder, name), { force: true });
  }

  /** Undefined also when the file does not have what the row says. */
  #find(name: string): PartialRow | undefined {
    const row = this.#row(name);
    const size = statSync(join(this.#folder, name), { throwIfNoEntry: false })?.size ?? 0;
    return row !== undefined && size >= row.size_bytes ? row : undefined;
  }

  #row(name: string): PartialRow | undefined {
    return this.#database.first<PartialRow>("SELECT * FROM partial WHERE name = ?", name);
  }

  #dropOld(): void {
    const rows = this.#database.all<PartialRow>("SELECT * FROM partial WHERE kept_ms < ?", this.#clock.nowMs() - KEPT_MS);
    for (const { name } of rows) if (!this.#open.has(name)) this.drop(name);
  }

  #reconcile(): void {
    this.#dropOld();
    for (const name of readdirSync(this.#folder)) if (this.#find(name) === undefined) this.drop(name);
    for (const { name } of this.idle()) if (this.#find(name) === undefined) this.drop(name);
  }
}

interface PartialRow {
  readonly name: string;
  readonly size_bytes: number;
  readonly etag: string;
  readonly last_modified: string;
  readonly kept_ms: number;
}

const KEPT_MS = 86_400_000;
