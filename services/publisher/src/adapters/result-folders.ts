import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import type { BlockTable } from "./block-table.ts";
import { FILES_PER_FOLDER, FolderIndex, provisionalRoot } from "./folder-index.ts";
import { Pace } from "./pace.ts";
import type { PinTable } from "./pin-table.ts";
import type { Clock } from "../ports.ts";
import { isNeeded } from "./needed.ts";
import { FolderReader } from "./folder-reader.ts";
import { isFolder, moveFolder, unsealFolder } from "./sealed-folder.ts";
import type { StoreDatabase } from "./store-database.ts";
import { asStoreError, type StoreLayout } from "./store-layout.ts";

export interface StageRequest {
  readonly executionId: string;
  readonly folder: string;
  readonly bytesMax: number;
}

interface ResultFolderParts {
  readonly database: StoreDatabase;
  readonly blocks: BlockTable;
  readonly layout: StoreLayout;
  readonly pins: PinTable;
  readonly clock: Clock;
}

/** Result folders below `results/<executionId>` and their rows. */
export class ResultFolders {
  readonly #database: StoreDatabase;
  readonly #blocks: BlockTable;
  readonly #layout: StoreLayout;
  readonly #pins: PinTable;
  readonly #clock: Clock;

  constructor({ database, blocks, layout, pins, clock }: ResultFolderParts) {
    this.#database = database;
    this.#blocks = blocks;
    this.#layout = layout;
    this.#pins = pins;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    await mkdir(this.#layout.results, { recursive: true });
  }

  /** Folders whose removal a crash interrupted. */
  dropping(): string[] {
    return this.#database
      .all<{ execution_id: string }>("SELECT execution_id FROM folder WHERE state = 'dropping'")
      .map(({ execution_id }) => execution_id);
  }

  find(executionId: string): StagedResult | undefined {
    const row = this.#database.first<ResultRow>("SELECT * FROM result WHERE execution_id = ?", executionId);
    if (row === undefined) return undefined;
    const { cid, size_bytes: sizeBytes, manifest_cid: manifestCid } = row;
    return {
      executionId,
      cid,
      sizeBytes,
      manifestCid,
      skippedPaths: JSON.parse(row.skipped) as string[],
      parts: JSON.parse(row.parts) as StagedResult["parts"],
    };
  }

  /** Paths of the files of a result, relative to its folder. */
  filesOf(executionId: string): string[] {
    const rows = this.#database.all<{ path: string }>(
      "SELECT path FROM file JOIN folder ON folder.id = file.folder WHERE execution_id = ?",
      executionId,
    );
    return rows.map(({ path }) => path);
  }

  homeOf(executionId: string): string {
    return join(this.#layout.results, executionId);
  }

  /** Not for concurrent use with one execution id. `makeRoom` is asked before a result of so many bytes counts. */
  async stage(
    { executionId, folder, bytesMax }: StageRequest,
    makeRoom: (sizeBytes: number) => Promise<void>,
    signal: AbortSignal,
  ): Promise<StagedResult> {
    const home = this.homeOf(executionId);
    await this.#takeOver(executionId, folder);
    try {
      return await this.#index({ executionId, bytesMax, makeRoom }, signal);
    } catch (error) {
      // A disk may be too full even to forget. Rows of a folder that is not staged count for nothing; staging again replaces them.
      await this.#forget(executionId).catch(() => undefined);
      await unsealFolder(home);
      await rename(home, folder).catch(() => undefined); // Another file system: it stays here, and staging again finds it here.
      throw asStoreError(error);
    }
  }

  /** A result that the cluster's store has too may go when room is needed. */
  markPushed(executionId: string, nowMs: number): void {
    this.#database.change(() =>
      this.#database.run("UPDATE result SET pushed_ms = ?1, used_ms = ?1 WHERE execution_id = ?2", nowMs, executionId),
    );
  }

  /** The pushed result that was read longest ago and is not being read, and the bytes of all pushed ones. */
  leastUsed(): { readonly executionId: string | undefined; readonly pushedBytes: number } {
    const row = this.#database.first<{ execution_id: string }>(LEAST_USED);
    const sum = this.#database.first<{ bytes: number }>("SELECT coalesce(sum(size_bytes), 0) AS bytes FROM result WHERE pushed_ms > 0");
    return { executionId: row?.execution_id, pushedBytes: sum?.bytes ?? 0 };
  }

  isPinned(executionId: string): boolean {
    return this.#database.first(IS_PINNED, executionId) !== undefined;
  }

  /** Within a change. */
  setManifest(executionId: string, cid: string): void {
    this.#database.run("UPDATE result SET manifest_cid = ? WHERE execution_id = ?", cid, executionId);
  }

  count(): number {
    return this.#database.first<{ n: number }>("SELECT count(*) AS n FROM result")?.n ?? 0;
  }

  /** Hides a result at once. What other roots need of its files has to be copied before `remove`. */
  hide(executionId: string): void {
    this.#database.run("UPDATE folder SET state = 'dropping' WHERE execution_id = ?", executionId);
    this.#database.run("DELETE FROM result WHERE execution_id = ?", executionId);
  }

  /** Content ids and sizes of blocks that a pinned root needs and that only this folder has. */
  neededElsewhere(executionId: string): { readonly digest: Uint8Array; readonly size: number }[] {
    return this.#database.all(NEEDED_ELSEWHERE, executionId);
  }

  async remove(executionId: string): Promise<void> {
    await this.#forget(executionId);
    await removeTree(this.homeOf(executionId));
  }

  async #takeOver(executionId: string, folder: string): Promise<void> {
    const home = this.homeOf(executionId);
    if (this.dropping().includes(executionId)) {
      throw new DomainError("precondition", "DATA_IN_USE", `The result of execution ${executionId} was dropped and is still being read.`, {
        hint: "Stage it when its reader has ended.",
      });
    }
    if (await isFolder(folder)) {
      // What an earlier try left is older than what the caller offers now.
      await removeTree(home);
      await moveFolder(folder, home, join(this.#layout.scratch, executionId));
    } else if (!(await isFolder(home))) {
      throw new DomainError("notFound", "RESULT_FOLDER_MISSING", `There is no result folder at ${folder}.`, {
        hint: "Run the execution again; its output is gone.",
      });
    }
  }

  async #index({ executionId, bytesMax, makeRoom }: IndexRequest, signal: AbortSignal): Promise<StagedResult> {
    await this.#forget(executionId);
    // A staged result survives a power cut only once it is published: its files are not synced before, so its rows need not be.
    const folder =
      this.#database.changeLazily(() =>
        this.#database.first<{ id: number }>("INSERT INTO folder (execution_id, state) VALUES (?, 'staging') RETURNING id", executionId),
      )?.id ?? 0;
    const index = new FolderIndex({ database: this.#database, blocks: this.#blocks, folder });
    const whole = await new FolderReader(index, bytesMax, signal).read(this.homeOf(executionId));
    index.flush();
    const { cid, sizeBytes } = whole;
    await makeRoom(sizeBytes);
    const { parts, skippedPaths } = index;
    const result: StagedResult = { executionId, cid: cid.toString(), sizeBytes, skippedPaths, parts, manifestCid: "" };
    this.#database.changeLazily(() => {
      this.#insertResult(folder, cid, result);
      for (const tree of index.trees(whole))
        this.#database.run(
          "INSERT INTO tree (cid, folder, path, size_bytes) VALUES (?, ?, ?, ?)",
          tree.cid,
          folder,
          tree.path,
          tree.sizeBytes,
        );
    });
    return result;
  }

  #insertResult(folder: number, cid: ContentId, result: StagedResult): void {
    const { digest } = cid.multihash;
    const { executionId, sizeBytes, skippedPaths, parts } = result;
    this.#database.run("UPDATE OR IGNORE member SET root = ? WHERE root = ?", digest, provisionalRoot(folder));
    this.#database.run("DELETE FROM member WHERE root = ?", provisionalRoot(folder));
    const pin = { owner: ownerOf(executionId), root: cid, sizeBytes: undefined, digests: [], createdAtMs: this.#clock.nowMs() };
    this.#pins.insert(pin);
    this.#database.run("UPDATE folder SET state = 'staged', size_bytes = ? WHERE id = ?", sizeBytes, folder);
    const values = [executionId, folder, result.cid, digest, sizeBytes, JSON.stringify(skippedPaths), JSON.stringify(parts)] as const;
    this.#database.run(
      "INSERT INTO result (execution_id, folder, cid, root, size_bytes, skipped, parts, manifest_cid) VALUES (?, ?, ?, ?, ?, ?, ?, '')",
      ...values,
    );
  }

  async #forget(executionId: string): Promise<void> {
    const folder = this.#database.first<{ id: number }>("SELECT id FROM folder WHERE execution_id = ?", executionId)?.id;
    if (folder === undefined) return;
    const pace = new Pace();
    while (this.#database.change(() => this.#forgetFiles(folder)) > 0) if (pace.isDue) await pace.rest();
    const packs = this.#database.change(() => {
      this.#database.run("DELETE FROM tree WHERE folder = ?", folder);
      this.#database.run("DELETE FROM folder WHERE id = ?", folder);
      return this.#blocks.removeMembers(provisionalRoot(folder));
    });
    await this.#blocks.removeEmptyPacks(packs);
  }

  /** Within a change: some of the files of a folder. Returns how many. */
  #forgetFiles(folder: number): number {
    const last = this.#database.first<{ id: number | null }>(SOME_FILES, folder, FILES_AT_ONCE)?.id ?? undefined;
    if (last === undefined) return 0;
    this.#database.run("DELETE FROM file_block WHERE file > ? AND file <= ?", folder * FILES_PER_FOLDER, last);
    return this.#database.run("DELETE FROM file WHERE folder = ? AND id <= ?", folder, last);
  }
}

/** Whose pin a result is. */
export function ownerOf(executionId: string): string {
  return `execution:${executionId}`;
}

interface IndexRequest {
  readonly executionId: string;
  readonly bytesMax: number;
  readonly makeRoom: (sizeBytes: number) => Promise<void>;
}

interface ResultRow {
  readonly cid: string;
  readonly size_bytes: number;
  readonly skipped: string;
  readonly parts: string;
  readonly manifest_cid: string;
}

/** Another copy counts only where it stays: not in a folder that may yet go back to its owner, nor in one that goes itself. */
const NEEDED_ELSEWHERE = `SELECT DISTINCT digest, size FROM file_block JOIN file ON file.id = file_block.file JOIN folder ON folder.id = file.folder
  WHERE execution_id = ? AND ${isNeeded("file_block.digest")}
  AND NOT EXISTS (SELECT 1 FROM block WHERE block.digest = file_block.digest)
  AND NOT EXISTS (SELECT 1 FROM file_block AS other JOIN file AS f ON f.id = other.file JOIN folder AS home ON home.id = f.folder
    WHERE other.digest = file_block.digest AND f.folder <> folder.id AND home.state = 'staged')`;
const IS_PINNED =
  "SELECT 1 FROM result JOIN pin ON pin.root = result.root AND pin.owner = 'execution:' || execution_id WHERE execution_id = ?";
const LEAST_USED = `SELECT execution_id FROM result WHERE pushed_ms > 0
  AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.folder = result.folder) ORDER BY used_ms, execution_id LIMIT 1`;
const SOME_FILES = "SELECT max(id) AS id FROM (SELECT id FROM file WHERE folder = ? ORDER BY id LIMIT ?)";
const FILES_AT_ONCE = 1_000;
