import { mkdir, rm } from "node:fs/promises";
import { DomainError, parseExecutionId } from "@skrei/domain";
import { syncFiles } from "@skrei/platform/sync-files.ts";
import { type ContentId, parseCid, rawCid, verifyBlock } from "@skrei/unixfs/cid.ts";
import { walkDag } from "@skrei/unixfs/read-dag.ts";
import { hash } from "node:crypto";
import type { Block, Clock, ContentStore, LeasedTree } from "../ports.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import { BlockTable } from "./block-table.ts";
import { Pace } from "./pace.ts";
import { ownerOf, ResultFolders, type StageRequest } from "./result-folders.ts";
import { StoreDatabase } from "./store-database.ts";
import { asStoreError, storeLayout } from "./store-layout.ts";
import { TreeLeases } from "./tree-leases.ts";
import { Turns } from "./turns.ts";

export interface StoreOptions {
  readonly folder: string;
  /** Bytes of the disk that stay free. */
  readonly freeBytesMin: number;
  readonly clock: Clock;
}

interface StoreParts {
  readonly blocks: BlockTable;
  readonly results: ResultFolders;
  readonly leases: TreeLeases;
}

/** The content store: an index in SQLite over ordinary files. One process at a time. */
export class FileContentStore implements ContentStore, Disposable {
  readonly #database: StoreDatabase;
  readonly #blocks: BlockTable;
  readonly #results: ResultFolders;
  readonly #leases: TreeLeases;
  readonly #staging = new Map<string, Promise<StagedResult>>();
  /** Pins, drops and sweeps look at what others need, so they take turns. */
  readonly #turns = new Turns();

  private constructor(database: StoreDatabase, parts: StoreParts) {
    this.#database = database;
    this.#blocks = parts.blocks;
    this.#results = parts.results;
    this.#leases = parts.leases;
  }

  /** Opens the store, made if need be, and finishes what a crash interrupted. */
  static async open({ folder, freeBytesMin, clock }: StoreOptions): Promise<FileContentStore> {
    const layout = storeLayout(folder);
    await rm(layout.scratch, { recursive: true, force: true });
    await mkdir(layout.scratch, { recursive: true });
    const database = new StoreDatabase(layout.index);
    try {
      const blocks = new BlockTable({ database, layout, freeBytesMin, clock });
      await blocks.open();
      const results = new ResultFolders({ database, blocks, layout });
      const store = new FileContentStore(database, { blocks, results, leases: new TreeLeases({ database, layout }) });
      await store.#resume();
      return store;
    } catch (error) {
      database[Symbol.dispose]();
      throw error;
    }
  }

  async stage(request: StageRequest, signal: AbortSignal): Promise<StagedResult> {
    checkExecutionId(request.executionId);
    const known = this.#results.find(request.executionId) ?? this.#staging.get(request.executionId);
    if (known !== undefined) return await known;
    const staging = this.#results.stage(request, signal).finally(() => this.#staging.delete(request.executionId));
    this.#staging.set(request.executionId, staging);
    return await staging;
  }

  findStaged(executionId: string): StagedResult | undefined {
    return this.#results.find(executionId);
  }

  async keepManifest(executionId: string, manifest: Uint8Array): Promise<string> {
    const cid = rawCid(hash("sha256", manifest, "buffer"));
    try {
      return this.#database.change(() => {
        this.#blocks.insertInline(cid, manifest);
        this.#database.run("UPDATE result SET manifest_cid = ? WHERE execution_id = ? AND manifest_cid = ''", cid.toString(), executionId);
        const kept = this.#results.find(executionId)?.manifestCid ?? cid.toString();
        if (kept === cid.toString()) this.#insertPin(ownerOf(executionId), cid, [cid.multihash.digest]);
        return kept;
      });
    } catch (error) {
      throw asStoreError(error);
    }
  }

  async sync(executionId: string): Promise<void> {
    await syncFiles(this.#results.homeOf(executionId), this.#results.filesOf(executionId));
  }

  async drop(executionId: string): Promise<void> {
    checkExecutionId(executionId);
    await this.#staging.get(executionId)?.catch(() => undefined); // Its caller hears of the failure; here it only must be over.
    await this.#turns.take(async () => {
      const roots = this.#database.change(() => {
        this.#results.hide(executionId);
        return this.#database.all<{ root: Uint8Array }>("DELETE FROM pin WHERE owner = ? RETURNING root", ownerOf(executionId));
      });
      for (const { root } of roots) await this.#releaseRoot(root);
      if (!this.#leases.isLeased(executionId)) await this.#finishDrop(executionId);
    });
  }

  leaseTree(cid: string, leaseId: string, nowMs: number): LeasedTree {
    return this.#leases.lease(parseCid(cid), leaseId, nowMs);
  }

  async releaseTrees(leaseId: string): Promise<void> {
    this.#leases.release(leaseId);
    await this.#turns.take(async () => await this.#finishDrops());
  }

  missing(cids: readonly string[]): readonly string[] {
    return cids.filter((cid) => !this.#blocks.has(parseCid(cid)));
  }

  async put(blocks: readonly Block[]): Promise<void> {
    const parsed = blocks.map(({ cid, data }) => ({ cid: parseCid(cid), data }));
    for (const { cid, data } of parsed) verifyBlock(cid, data);
    await this.#blocks.put(parsed);
  }

  async get(cid: string): Promise<Uint8Array> {
    return await this.#blocks.read(parseCid(cid));
  }

  async pin(cid: string, owner: string, signal: AbortSignal): Promise<void> {
    const root = parseCid(cid);
    await this.#turns.take(async () => {
      const digests: Uint8Array[] = [];
      const pace = new Pace(signal);
      for await (const { cid: below } of walkDag(this.#load, root, { loadsLeaves: false })) {
        if (!this.#blocks.has(below))
          throw new DomainError("notFound", "BLOCK_MISSING", `Block ${below.toString()} below ${cid} is not in the store.`, {
            hint: "Push the missing blocks, then pin again.",
          });
        digests.push(below.multihash.digest);
        if (pace.isDue) await pace.rest();
      }
      this.#database.change(() => this.#insertPin(owner, root, digests));
    });
  }

  async *list(cid: string): AsyncGenerator<{ cid: string; sizeBytes: number }> {
    for await (const { cid: below, block } of walkDag(this.#load, parseCid(cid), { loadsLeaves: false })) {
      yield { cid: below.toString(), sizeBytes: block?.length ?? this.#blocks.sizeOf(below) ?? 0 };
    }
  }

  isBelow(root: string, cid: string): boolean {
    const [rootDigest, digest] = [parseCid(root).multihash.digest, parseCid(cid).multihash.digest];
    if (this.#database.first("SELECT 1 FROM pin WHERE root = ? LIMIT 1", rootDigest) === undefined) return false;
    return Buffer.from(rootDigest).equals(digest) || this.#database.first(IS_BELOW, rootDigest, digest) !== undefined;
  }

  async sweep(olderThanMs: number): Promise<number> {
    return await this.#turns.take(async () => await this.#blocks.removeUnneeded(olderThanMs));
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }

  readonly #load = async (cid: ContentId): Promise<Uint8Array> => await this.#blocks.read(cid);

  #insertPin(owner: string, root: ContentId, digests: readonly Uint8Array[]): void {
    this.#database.run("INSERT OR IGNORE INTO pin (owner, root) VALUES (?, ?)", owner, root.multihash.digest);
    for (const digest of digests)
      this.#database.run("INSERT OR IGNORE INTO member (root, digest) VALUES (?, ?)", root.multihash.digest, digest);
  }

  async #resume(): Promise<void> {
    await this.#results.open();
    await this.#finishDrops();
  }

  /** Those that a crash or a reader held up. */
  async #finishDrops(): Promise<void> {
    for (const executionId of this.#results.dropping()) if (!this.#leases.isLeased(executionId)) await this.#finishDrop(executionId);
  }

  async #finishDrop(executionId: string): Promise<void> {
    for (const batch of batchesOf(this.#results.neededElsewhere(executionId))) {
      const blocks = await Promise.all(batch.map(async ({ digest }) => ({ cid: rawCid(digest), data: await this.#load(rawCid(digest)) })));
      await this.#blocks.put(blocks);
    }
    await this.#results.remove(executionId);
  }

  async #releaseRoot(root: Uint8Array): Promise<void> {
    const packs = this.#database.change(() => {
      const isPinned = this.#database.first("SELECT 1 FROM pin WHERE root = ? LIMIT 1", root) !== undefined;
      return isPinned ? [] : this.#blocks.removeMembers(root);
    });
    await this.#blocks.removeEmptyPacks(packs);
  }
}

const IS_BELOW = `SELECT 1 FROM member WHERE root = ?1 AND digest = ?2
  UNION ALL SELECT 1 FROM file_block JOIN file ON file.id = file_block.file JOIN result ON result.folder = file.folder WHERE result.root = ?1 AND digest = ?2 LIMIT 1`;

/** Four leaves at a time keep memory low. */
function batchesOf<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / 4) }, (_, index) => items.slice(index * 4, index * 4 + 4));
}

function checkExecutionId(executionId: string): void {
  if (parseExecutionId(executionId) === undefined) {
    throw new DomainError("invalid", "FIELD_INVALID", `"${executionId.slice(0, 64)}" is not an execution id.`, {
      hint: "Execution ids look like e-01k…, 28 characters.",
    });
  }
}
