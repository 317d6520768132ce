import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import type { ResultPart } from "../domain/staged-result.ts";
import type { BlockTable } from "./block-table.ts";
import type { FolderSink } from "./folder-reader.ts";
import type { StoreDatabase } from "./store-database.ts";

/**
 * Writes the index of one folder in batches, so that memory stays flat and no change lasts long. Nothing of it counts
 * before the result's own row; after a crash `forgetFolder` and a new run start over.
 */
export class FolderIndex implements FolderSink {
  readonly parts: ResultPart[] = [];
  readonly skippedPaths: string[] = [];
  /** Parts whose folder on the disk is not just what their content id says; "" is the whole. */
  readonly #impure = new Set<string>();
  readonly #database: StoreDatabase;
  readonly #blocks: BlockTable;
  readonly #folder: number;
  readonly #membersRoot: Uint8Array;
  #nextFile: number;
  #rows: (() => void)[] = [];

  constructor({ database, blocks, folder }: { database: StoreDatabase; blocks: BlockTable; folder: number }) {
    this.#database = database;
    this.#blocks = blocks;
    this.#folder = folder;
    this.#membersRoot = provisionalRoot(folder);
    this.#nextFile = folder * FILES_PER_FOLDER;
  }

  file(path: string): void {
    const id = ++this.#nextFile;
    this.#add(() => this.#database.run("INSERT INTO file (id, folder, path) VALUES (?, ?, ?)", id, this.#folder, path));
  }

  leaf(digest: Uint8Array, at: number, sizeBytes: number): void {
    const file = this.#nextFile;
    this.#add(() =>
      this.#database.run("INSERT OR IGNORE INTO file_block (digest, file, at, size) VALUES (?, ?, ?, ?)", digest, file, at, sizeBytes),
    );
  }

  block(cid: ContentId, block: Uint8Array): void {
    this.#add(() => {
      this.#blocks.insertInline(cid, block);
      // From the first moment on, so that dropping another result with the same block leaves it here.
      this.#database.run("INSERT OR IGNORE INTO member (root, digest) VALUES (?, ?)", this.#membersRoot, cid.multihash.digest);
    });
  }

  entry(path: string, { cid, sizeBytes }: DagEntry): void {
    if (this.parts.length < PARTS_MAX && PART.test(path)) this.parts.push({ path, cid: cid.toString(), sizeBytes });
  }

  skipped(path: string): void {
    this.unsealed(path);
    if (this.skippedPaths.length < SKIPPED_MAX) this.skippedPaths.push(path);
  }

  unsealed(path: string): void {
    const [first = "", second = ""] = path.split("/", 2);
    for (const part of ["", first, `${first}/${second}`]) this.#impure.add(part);
  }

  /** The whole and the parts that may be read in place. */
  trees(whole: DagEntry): ResultPart[] {
    const root = { path: "", cid: whole.cid.toString(), sizeBytes: whole.sizeBytes };
    return [root, ...this.parts].filter(({ path }) => !this.#impure.has(path));
  }

  flush(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#database.changeLazily(() => {
      for (const insert of rows) insert();
    });
  }

  #add(insert: () => void): void {
    this.#rows.push(insert);
    if (this.#rows.length >= BATCH_ROWS) this.flush();
  }
}

/** Stands for the root of a folder while its content id is not known yet; no digest has this length. */
export function provisionalRoot(folder: number): Uint8Array {
  return new TextEncoder().encode(`folder:${folder}`);
}

const BATCH_ROWS = 2_000;
const SKIPPED_MAX = 100;
const PARTS_MAX = 1_000;
/** `stdout`, `stderr`, `exitCode`, `outputs`, and each output by itself. */
const PART = /^(?:[^/]+|outputs\/[^/]+)$/u;
/** Room in the numbering, so that file numbers need no counter in the database. */
export const FILES_PER_FOLDER = 1_048_576;
