import { mkdir } from "node:fs/promises";
import { DomainError, type StoreState } from "@skrei/domain";
import { removeTree } from "@skrei/platform/remove-tree.ts";
import { syncFiles } from "@skrei/platform/sync-files.ts";
import { type ContentId, parseCid, rawCid, verifyBlock } from "@skrei/unixfs/cid.ts";
import { walkDag } from "@skrei/unixfs/read-dag.ts";
import { hash } from "node:crypto";
import type { Block, Clock, CollectedGarbage, CollectRequest, ContentStore, Keeper, LeasedTree, PinPage, PinQuery } from "../ports.ts";
import { checkExecutionId } from "../domain/check-execution-id.ts";
import type { StagedResult } from "../domain/staged-result.ts";
import { BlockTable } from "./block-table.ts";
import { GarbageCollector } from "./garbage-collector.ts";
import { PinTable } from "./pin-table.ts";
import { PushedResults } from "./pushed-results.ts";
import { type RoomLimits, StoreRoom } from "./store-room.ts";
import { Pace } from "./pace.ts";
import { ownerOf, ResultFolders, type StageRequest } from "./result-folders.ts";
import { StoreDatabase } from "./store-database.ts";
import { storeLayout } from "./store-layout.ts";
import { TreeLeases } from "./tree-leases.ts";
import { Turns } from "./turns.ts";

export interface StoreOptions extends Partial<RoomLimits> {
  readonly folder: string;
  /** Bytes of results that stay here though the cluster's store has them too. */
  readonly pushedBytesMax?: number;
  readonly clock: Clock;
}

interface StoreParts {
  readonly database: StoreDatabase;
  readonly room: StoreRoom;
  readonly blocks: BlockTable;
  readonly pins: PinTable;
  readonly results: ResultFolders;
  readonly leases: TreeLeases;
}

/** The content store: an index in SQLite over ordinary files. One process at a time. */
export class FileContentStore implements ContentStore, Disposable {
  readonly #database: StoreDatabase;
  readonly #room: StoreRoom;
  readonly #blocks: BlockTable;
  readonly #pins: PinTable;
  readonly #results: ResultFolders;
  readonly #leases: TreeLeases;
  readonly #garbage: GarbageCollector;
  readonly #clock: Clock;
  readonly #pushed: PushedResults;
  readonly #staging = new Map<string, Promise<StagedResult>>();
  /** Pins, drops and collections look at what others need, so they take turns. */
  readonly #turns = new Turns();

  private constructor(parts: StoreParts, { clock, pushedBytesMax = Number.POSITIVE_INFINITY }: StoreOptions) {
    this.#database = parts.database;
    this.#room = parts.room;
    this.#blocks = parts.blocks;
    this.#pins = parts.pins;
    this.#results = parts.results;
    this.#leases = parts.leases;
    this.#clock = clock;
    this.#pushed = new PushedResults({ ...parts, bytesMax: pushedBytesMax, drop: async (executionId) => await this.drop(executionId) });
    const dropUnpinned = this.#dropUnpinned.bind(this);
    this.#garbage = new GarbageCollector({ ...parts, turns: this.#turns, dropUnpinned });
  }

  /** Opens the store, made if need be, and finishes what a crash interrupted. */
  static async open(options: StoreOptions): Promise<FileContentStore> {
    const { folder, storeBytesMax = 0, freeBytesMin = 0, clock } = options;
    const layout = storeLayout(folder);
    await removeTree(layout.scratch);
    await mkdir(layout.scratch, { recursive: true });
    const database = new StoreDatabase(layout.index);
    try {
      const room = new StoreRoom(database, folder, { storeBytesMax, freeBytesMin });
      const blocks = new BlockTable({ database, layout, clock });
      await blocks.open();
      const pins = new PinTable(database);
      const results = new ResultFolders({ database, blocks, layout, pins, clock });
      const leases = new TreeLeases({ database, layout });
      const store = new FileContentStore({ database, room, blocks, pins, results, leases }, options);
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
    // The files are on the disk already, so only what the store may hold is asked.
    const makeRoom = async (sizeBytes: number): Promise<void> => await this.#pushed.makeRoom(sizeBytes, 0);
    const staging = this.#results.stage(request, makeRoom, signal).finally(() => this.#staging.delete(request.executionId));
    this.#staging.set(request.executionId, staging);
    return await staging;
  }

  findStaged(executionId: string): StagedResult | undefined {
    return this.#results.find(executionId);
  }

  async keepManifest(executionId: string, manifest: Uint8Array): Promise<string> {
    const root = rawCid(hash("sha256", manifest, "buffer"));
    return this.#database.change(() => {
      const result = this.#results.find(executionId);
      if (result === undefined) {
        throw new DomainError("precondition", "RESULT_NOT_STAGED", `No result of execution ${executionId} was staged here.`, {
          hint: "Stage the result folder first.",
        });
      }
      if (result.manifestCid !== "") return result.manifestCid;
      this.#blocks.insertInline(root, manifest);
      this.#results.setManifest(executionId, root.toString());
      const [digests, sizeBytes, createdAtMs] = [[root.multihash.digest], manifest.length, this.#clock.nowMs()];
      this.#pins.insert({ owner: ownerOf(executionId), root, digests, sizeBytes, createdAtMs });
      return root.toString();
    });
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
        const pinned = this.#database.all<{ root: Uint8Array }>("SELECT root FROM pin WHERE owner = ?", ownerOf(executionId));
        this.#pins.remove(ownerOf(executionId));
        return pinned;
      });
      for (const { root } of roots) await this.#releaseRoot(root);
      await this.#finishDrop(executionId);
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
    const sizeBytes = this.#blocks.lacking(parsed).reduce((sum, { data }) => sum + data.length, 0);
    await this.#pushed.makeRoom(sizeBytes, sizeBytes);
    await this.#blocks.put(parsed);
  }

  async get(cid: string): Promise<Uint8Array> {
    return await this.#blocks.read(parseCid(cid));
  }

  async pin(cid: string, { owner, expiresAtMs }: Keeper, signal: AbortSignal): Promise<void> {
    const root = parseCid(cid);
    await this.#turns.take(async () => {
      const digests: Uint8Array[] = [];
      let sizeBytes = 0;
      const pace = new Pace(signal);
      for await (const { cid: below, block } of walkDag(this.#load, root, { loadsLeaves: false })) {
        if (!this.#blocks.has(below))
          throw new DomainError("notFound", "BLOCK_MISSING", `Block ${below.toString()} below ${cid} is not in the store.`, {
            hint: "Push the missing blocks, then pin again.",
          });
        digests.push(below.multihash.digest);
        sizeBytes += block?.length ?? this.#blocks.sizeOf(below) ?? 0;
        if (pace.isDue) await pace.rest();
      }
      this.#database.change(() => this.#pins.insert({ owner, root, digests, sizeBytes, createdAtMs: this.#clock.nowMs(), expiresAtMs }));
    });
  }

  pins({ cid, ...query }: PinQuery): PinPage {
    return this.#pins.list({ ...query, cid: cid === undefined ? undefined : parseCid(cid) });
  }

  extendPins(owners: readonly string[], expiresAtMs: number | undefined): void {
    this.#pins.extend(owners, expiresAtMs);
  }

  unpin(owners: readonly string[]): number {
    return this.#database.change(() => owners.reduce((sum, owner) => sum + this.#pins.remove(owner), 0));
  }

  async collectGarbage(request: CollectRequest, signal: AbortSignal): Promise<CollectedGarbage> {
    return await this.#garbage.collect(request, signal);
  }

  async markPushed(executionId: string): Promise<void> {
    this.#results.markPushed(executionId, this.#clock.nowMs());
    await this.evictPushed();
  }

  async evictPushed(): Promise<number> {
    return await this.#pushed.evict();
  }

  async state(signal: AbortSignal): Promise<Omit<StoreState, "targets">> {
    const { storeBytesMax: bytesMax, freeBytesMin } = this.#room.limits;
    const { sizeBytes, freeBytes } = this.#room;
    const unpinnedBytes = await this.#garbage.unpinnedBytes(this.#clock.nowMs(), signal);
    return { sizeBytes, bytesMax, freeBytes, freeBytesMin, results: this.#results.count(), pins: this.#pins.count(), unpinnedBytes };
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

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }

  readonly #load = async (cid: ContentId): Promise<Uint8Array> => await this.#blocks.read(cid);

  async #resume(): Promise<void> {
    await this.#results.open();
    await this.#finishDrops();
  }

  /** Those that a crash or a reader held up. */
  async #finishDrops(): Promise<void> {
    for (const executionId of this.#results.dropping()) await this.#finishDrop(executionId);
  }

  /** Of what is still read the folder stays, but others do not rely on it any more. */
  async #finishDrop(executionId: string): Promise<void> {
    await this.#copyNeeded(executionId);
    if (!this.#leases.isLeased(executionId)) await this.#results.remove(executionId);
  }

  /** Past the limits if need be: the folder that goes has more. */
  async #copyNeeded(executionId: string): Promise<void> {
    for (const batch of batchesOf(this.#results.neededElsewhere(executionId))) {
      const blocks = await Promise.all(batch.map(async ({ digest }) => ({ cid: rawCid(digest), data: await this.#load(rawCid(digest)) })));
      await this.#blocks.put(blocks);
    }
  }

  async #dropUnpinned(executionId: string, beforeRemoval: () => Promise<void>): Promise<void> {
    const isHidden = this.#database.change(() => {
      if (this.#leases.isLeased(executionId) || this.#results.isPinned(executionId)) return false;
      this.#results.hide(executionId);
      return true;
    });
    if (!isHidden) return;
    await this.#copyNeeded(executionId);
    await beforeRemoval();
    await this.#results.remove(executionId);
  }

  async #releaseRoot(root: Uint8Array): Promise<void> {
    const packs = this.#database.change(() => {
      this.#database.run("DELETE FROM released WHERE root = ?", root);
      return this.#pins.isPinned(root) ? [] : this.#blocks.removeMembers(root);
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
