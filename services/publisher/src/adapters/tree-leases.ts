import { lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { DomainError } from "@skrei/domain";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { LeasedTree } from "../ports.ts";
import type { StoreDatabase } from "./store-database.ts";
import type { StoreLayout } from "./store-layout.ts";

/**
 * Files and folders of results that are read in place. A lease keeps the whole folder it is in. Only the root is looked at when it
 * is leased: what was sealed has no writer, and a disk that rots is found when a block is read by its content id.
 */
export class TreeLeases {
  readonly #database: StoreDatabase;
  readonly #layout: StoreLayout;

  constructor({ database, layout }: { database: StoreDatabase; layout: StoreLayout }) {
    this.#database = database;
    this.#layout = layout;
  }

  /** @throws DomainError notFound/BLOCK_MISSING. */
  lease(cid: ContentId, leaseId: string, nowMs: number): LeasedTree {
    // One change, so that no drop comes between the look and the lease. A power cut may undo it: it ends the reader too.
    return this.#database.changeLazily(() => {
      for (const row of this.#database.all<TreeRow>(FIND_TREES, cid.toString())) {
        const path = this.#sealedPath(row);
        if (path === undefined) continue;
        this.#database.run("INSERT OR IGNORE INTO lease (lease_id, folder) VALUES (?, ?)", leaseId, row.folder);
        this.#database.run("UPDATE result SET used_ms = ? WHERE execution_id = ?", nowMs, row.execution_id);
        return { path, sizeBytes: row.size_bytes };
      }
      throw new DomainError("notFound", "BLOCK_MISSING", `No result of this node has ${cid.toString()} as a file or folder.`);
    });
  }

  release(leaseId: string): void {
    this.#database.change(() => this.#database.run("DELETE FROM lease WHERE lease_id = ?", leaseId));
  }

  isLeased(executionId: string): boolean {
    const sql = "SELECT 1 FROM lease JOIN folder ON folder.id = lease.folder WHERE execution_id = ? LIMIT 1";
    return this.#database.first(sql, executionId) !== undefined;
  }

  /** The path of a tree that is what it was when it was sealed, as far as a look at its root tells. */
  #sealedPath({ execution_id: executionId, path, size_bytes: sizeBytes }: TreeRow): string | undefined {
    try {
      const home = join(realpathSync(this.#layout.results), executionId);
      const real = realpathSync(path === "" ? home : join(home, path));
      if (real !== (path === "" ? home : join(home, path))) return undefined;
      const stat = lstatSync(real);
      const readable = stat.isDirectory() ? 0o555 : 0o444;
      const isWhole = stat.isDirectory() || (stat.isFile() && stat.size === sizeBytes);
      return isWhole && (stat.mode & 0o777) === readable ? real : undefined;
    } catch {
      // Gone or out of reach: another result may have the same, else it is read block by block.
      return undefined;
    }
  }
}

interface TreeRow {
  readonly folder: number;
  readonly execution_id: string;
  readonly path: string;
  readonly size_bytes: number;
}

const FIND_TREES = `SELECT tree.folder, execution_id, path, tree.size_bytes FROM tree JOIN folder ON folder.id = tree.folder
  WHERE cid = ? AND state = 'staged' LIMIT 16`;
