import { randomUUID } from "node:crypto";
import { constants, type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { type ContentId, isBlockOf } from "@skrei/unixfs/cid.ts";
import type { Clock } from "../ports.ts";
import type { StoreDatabase } from "./store-database.ts";
import { asStoreError, type StoreLayout } from "./store-layout.ts";

export interface OwnedBlock {
  readonly cid: ContentId;
  readonly data: Uint8Array;
}

/** The blocks of the store, wherever their bytes are: in a row, in a pack file, or in a file of a result. */
export class BlockTable {
  readonly #database: StoreDatabase;
  readonly #layout: StoreLayout;
  readonly #clock: Clock;

  constructor({ database, layout, clock }: { database: StoreDatabase; layout: StoreLayout; clock: Clock }) {
    this.#database = database;
    this.#layout = layout;
    this.#clock = clock;
  }

  /** Removes pack files of changes that were never committed. */
  async open(): Promise<void> {
    await mkdir(this.#layout.packs, { recursive: true });
    const known = new Set(this.#database.all<{ name: string }>("SELECT name FROM pack").map(({ name }) => name));
    for (const name of await readdir(this.#layout.packs)) if (!known.has(name)) await rm(join(this.#layout.packs, name));
  }

  has({ multihash: { digest } }: ContentId): boolean {
    return this.isOwned(digest) || this.#database.first(IS_IN_STAGED, digest) !== undefined;
  }

  isOwned(digest: Uint8Array): boolean {
    return this.#database.first("SELECT 1 FROM block WHERE digest = ?", digest) !== undefined;
  }

  /** Bytes of a block, or undefined. */
  sizeOf({ multihash: { digest } }: ContentId): number | undefined {
    const row = this.#database.first<{ size: number }>(
      "SELECT size FROM block WHERE digest = ?1 UNION ALL SELECT size FROM file_block WHERE digest = ?1 LIMIT 1",
      digest,
    );
    return row?.size;
  }

  /** Stores blocks whose hash was checked; they are on the disk when it resolves. Those that were there are as young as new ones. */
  async put(blocks: readonly OwnedBlock[]): Promise<void> {
    const fresh = this.lacking(blocks);
    const known = blocks.filter((block) => !fresh.some(({ cid }) => cid.equals(block.cid)));
    const large = fresh.filter(({ data }) => data.length > INLINE_BYTES_MAX);
    try {
      const pack = large.length > 0 ? await this.#writePack(large) : undefined;
      const { packs, swept } = await this.#insert(pack, { fresh, large, known });
      // Empty when others stored the same blocks meanwhile.
      await this.removeEmptyPacks(packs);
      if (swept.length > 0) await this.put(swept);
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** Each of `blocks` once that the store does not own. */
  lacking(blocks: readonly OwnedBlock[]): OwnedBlock[] {
    const distinct = new Map(blocks.map((block) => [block.cid.toString(), block]));
    return [...distinct.values()].filter(({ cid }) => !this.isOwned(cid.multihash.digest));
  }

  /** Within a change: a small block, kept in its row. */
  insertInline({ multihash: { digest } }: ContentId, data: Uint8Array): void {
    this.#database.run(
      "INSERT OR IGNORE INTO block (digest, size, data, stored_ms) VALUES (?, ?, ?, ?)",
      digest,
      data.length,
      data,
      this.#clock.nowMs(),
    );
  }

  /** Reads and checks a block. A damaged copy is passed over when there is another. @throws DomainError BLOCK_MISSING, RESULT_CORRUPT. */
  async read(cid: ContentId): Promise<Uint8Array> {
    const { digest } = cid.multihash;
    const owned = this.#database.first<OwnedRow>(
      "SELECT block.size, data, at, name FROM block LEFT JOIN pack ON pack.id = block.pack WHERE digest = ?",
      digest,
    );
    const inline = owned?.data ?? undefined;
    if (inline !== undefined && isBlockOf(cid, inline)) return inline;
    const places = this.#placesOf(digest, owned);
    for (const place of places) {
      const data = await readPlace(place);
      if (data !== undefined && isBlockOf(cid, data)) return data;
    }
    if (owned === undefined && places.length === 0)
      throw new DomainError("notFound", "BLOCK_MISSING", `The store does not have block ${cid.toString()}.`);
    throw new DomainError("corrupt", "RESULT_CORRUPT", `Block ${cid.toString()} was changed or damaged on the disk.`, {
      hint: "Run the job again; check the disk of the store.",
    });
  }

  /** Within a change: removes the owned blocks that only `root` needs. Returns packs that may be empty now. */
  removeMembers(root: Uint8Array): number[] {
    const rows = this.#database.all<{ pack: number | null }>(REMOVE_MEMBERS, root);
    this.#database.run("DELETE FROM member WHERE root = ?", root);
    return packsOf(rows);
  }

  /** Removes owned blocks with numbers in (`from`, `to`] that no root needs and that came before `olderThanMs`. */
  async removeUnneeded({
    from,
    to,
    olderThanMs,
  }: {
    from: number;
    to: number;
    olderThanMs: number;
  }): Promise<{ blocks: number; sizeBytes: number }> {
    const rows = this.#database.change(() =>
      this.#database.all<{ pack: number | null; size: number }>(REMOVE_UNNEEDED, from, to, olderThanMs),
    );
    await this.removeEmptyPacks(packsOf(rows));
    return { blocks: rows.length, sizeBytes: rows.reduce((sum, { size }) => sum + size, 0) };
  }

  async removeEmptyPacks(packs: readonly number[]): Promise<void> {
    for (const pack of packs) {
      const row = this.#database.change(() =>
        this.#database.first<{ name: string }>(
          "DELETE FROM pack WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM block WHERE pack = ?1) RETURNING name",
          pack,
        ),
      );
      if (row !== undefined) await rm(join(this.#layout.packs, row.name), { force: true });
    }
  }

  #placesOf(digest: Uint8Array, owned: OwnedRow | undefined): Place[] {
    const name = owned?.name ?? undefined;
    const packed =
      owned === undefined || name === undefined ? [] : [{ path: join(this.#layout.packs, name), at: owned.at, size: owned.size }];
    const inFiles = this.#database
      .all<FileRow>(FIND_IN_FILES, digest)
      .map(({ execution_id, path, at, size }) => ({ path: join(this.#layout.results, execution_id, path), at, size }));
    return [...packed, ...inFiles];
  }

  async #writePack(blocks: readonly OwnedBlock[]): Promise<string> {
    const name = randomUUID();
    const scratch = join(this.#layout.scratch, name);
    try {
      await using file = await open(scratch, "wx");
      // Not writev, which on a disk that is nearly full writes a part and says so in a number only.
      for (const { data } of blocks) await file.appendFile(data);
      await file.datasync();
      await rename(scratch, join(this.#layout.packs, name));
      await using folder = await open(this.#layout.packs, constants.O_RDONLY | constants.O_DIRECTORY);
      await folder.sync();
      return name;
    } catch (error) {
      await rm(scratch, { force: true });
      throw error;
    }
  }

  /** Writes down what was stored. `swept` were known when they came and are gone now. */
  async #insert(
    pack: string | undefined,
    { fresh, large, known }: { fresh: readonly OwnedBlock[]; large: readonly OwnedBlock[]; known: readonly OwnedBlock[] },
  ): Promise<{ packs: number[]; swept: OwnedBlock[] }> {
    try {
      return this.#database.change(() => {
        for (const { cid, data } of fresh) if (data.length <= INLINE_BYTES_MAX) this.insertInline(cid, data);
        const packs = pack === undefined ? [] : [this.#insertPack(pack, large)];
        return { packs, swept: known.filter(({ cid }) => this.#database.run(TOUCH, this.#clock.nowMs(), cid.multihash.digest) === 0) };
      });
    } catch (error) {
      if (pack !== undefined) await rm(join(this.#layout.packs, pack), { force: true });
      throw error;
    }
  }

  /** Returns the number of the pack. */
  #insertPack(name: string, blocks: readonly OwnedBlock[]): number {
    const pack = this.#database.first<{ id: number }>("INSERT INTO pack (name) VALUES (?) RETURNING id", name)?.id ?? 0;
    let at = 0;
    for (const { cid, data } of blocks) {
      this.#database.run(INSERT_PACKED, cid.multihash.digest, data.length, pack, at, this.#clock.nowMs());
      at += data.length;
    }
    return pack;
  }
}

interface OwnedRow {
  readonly size: number;
  readonly data: Uint8Array | null;
  readonly at: number;
  readonly name: string | null;
}

interface Place {
  readonly path: string;
  readonly at: number;
  readonly size: number;
}

interface FileRow extends Place {
  readonly execution_id: string;
}

/** Larger blocks go to pack files: SQLite writes a row twice, once to its log. */
const INLINE_BYTES_MAX = 64 * 1024;

const INSERT_PACKED = "INSERT OR IGNORE INTO block (digest, size, pack, at, stored_ms) VALUES (?, ?, ?, ?, ?)";
/** One place a file: a damaged file that repeats the block must not hide the sound ones. */
const FIND_IN_FILES = `SELECT execution_id, path, min(at) AS at, size FROM file_block JOIN file ON file.id = file_block.file JOIN folder ON folder.id = file.folder WHERE digest = ? GROUP BY file_block.file LIMIT 16`;
/** A folder that is still being staged may yet go back to its owner, so nobody may rely on it. */
const IS_IN_STAGED = `SELECT 1 FROM file_block JOIN file ON file.id = file_block.file JOIN folder ON folder.id = file.folder WHERE digest = ? AND state = 'staged' LIMIT 1`;
const REMOVE_MEMBERS = `DELETE FROM block WHERE digest IN (SELECT digest FROM member WHERE root = ?1)
  AND NOT EXISTS (SELECT 1 FROM member AS other WHERE other.digest = block.digest AND other.root <> ?1) RETURNING pack`;
const REMOVE_UNNEEDED = `DELETE FROM block WHERE id > ? AND id <= ? AND stored_ms < ?
  AND NOT EXISTS (SELECT 1 FROM member WHERE member.digest = block.digest) RETURNING pack, size`;
const TOUCH = "UPDATE block SET stored_ms = ? WHERE digest = ?";

function packsOf(rows: readonly { readonly pack: number | null }[]): number[] {
  return [...new Set(rows.flatMap(({ pack }) => (pack === null ? [] : [pack])))];
}

async function readPlace({ path, at, size }: Place): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    // Gone or unreadable: the caller tries the next copy and reports the block when there is none.
    return undefined;
  }
  await using _ = file;
  const data = new Uint8Array(size);
  const { bytesRead } = await file.read(data, 0, size, at);
  return bytesRead === size ? data : undefined;
}
