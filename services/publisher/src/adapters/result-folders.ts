import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import type { BlockTable } from "./block-table.ts";
import { FolderIndex, provisionalRoot } from "./folder-index.ts";
import { FolderReader } from "./folder-reader.ts";
import { isFolder, moveFolder, unsealFolder } from "./sealed-folder.ts";
import type { StoreDatabase } from "./store-database.ts";
import { asStoreError, type StoreLayout } from "./store-layout.ts";

export interface StageRequest {
  readonly executionId: string;
  readonly folder: string;
  readonly bytesMax: number;
}

/** Result folders below `results/<executionId>` and their rows. */
export class ResultFolders {
  readonly #database: StoreDatabase;
  readonly #blocks: BlockTable;
  readonly #layout: StoreLayout;

  constructor({ database, blocks, layout }: { database: StoreDatabase; blocks: BlockTable; layout: StoreLayout }) {
    this.#database = database;
    this.#blocks = blocks;
    this.#layout = layout;
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

  /** Not for concurrent use with one execution id. */
  async stage({ executionId, folder, bytesMax }: StageRequest, signal: AbortSignal): Promise<StagedResult> {
    const home = this.homeOf(executionId);
    await this.#takeOver(executionId, folder);
    try {
      return await this.#index(executionId, bytesMax, signal);
    } catch (error) {
      await this.#forget(executionId);
      await unsealFolder(home);
      await rename(home, folder).catch(() => undefined); // Another file system: it stays here, and staging again finds it here.
      throw asStoreError(error);
    }
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

  async #index(executionId: string, bytesMax: number, signal: AbortSignal): Promise<StagedResult> {
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
    this.#database.run("INSERT OR IGNORE INTO pin (owner, root) VALUES (?, ?)", ownerOf(executionId), digest);
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
    const packs = this.#database.change(() => {
      this.#database.run("DELETE FROM file_block WHERE file IN (SELECT id FROM file WHERE folder = ?)", folder);
      this.#database.run("DELETE FROM file WHERE folder = ?", folder);
      this.#database.run("DELETE FROM tree WHERE folder = ?", folder);
      this.#database.run("DELETE FROM folder WHERE id = ?", folder);
      return this.#blocks.removeMembers(provisionalRoot(folder));
    });
    await this.#blocks.removeEmptyPacks(packs);
  }
}

/** Whose pin a result is. */
export function ownerOf(executionId: string): string {
  return `execution:${executionId}`;
}

interface ResultRow {
  readonly cid: string;
  readonly size_bytes: number;
  readonly skipped: string;
  readonly parts: string;
  readonly manifest_cid: string;
}

const NEEDED_ELSEWHERE = `SELECT DISTINCT digest, size FROM file_block JOIN file ON file.id = file_block.file JOIN folder ON folder.id = file.folder
  WHERE execution_id = ? AND EXISTS (SELECT 1 FROM member WHERE member.digest = file_block.digest)
  AND NOT EXISTS (SELECT 1 FROM block WHERE block.digest = file_block.digest)
  AND NOT EXISTS (SELECT 1 FROM file_block AS other JOIN file AS f ON f.id = other.file WHERE other.digest = file_block.digest AND f.folder <> folder.id)`;
