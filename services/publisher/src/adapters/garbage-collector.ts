import { Pace } from "./pace.ts";
import type { BlockTable } from "./block-table.ts";
import { isNeeded, isRead } from "./needed.ts";
import type { PinTable } from "./pin-table.ts";
import { FILES_PER_FOLDER } from "./folder-index.ts";
import type { StoreDatabase } from "./store-database.ts";
import type { Turns } from "./turns.ts";
import type { CollectRequest, CollectedGarbage } from "../ports.ts";

interface CollectorParts {
  readonly database: StoreDatabase;
  readonly blocks: BlockTable;
  readonly pins: PinTable;
  /** Of pins, drops and collections. Each step of a collection is a turn, so that none waits long. */
  readonly turns: Turns;
  /** Hides a result that nobody pins or reads, gives others what they need of it, and calls back before its rows go. */
  readonly dropUnpinned: (executionId: string, beforeRemoval: () => Promise<void>) => Promise<void>;
}

/** Counts and removes what nothing needs. What a run would take is counted by the same queries, so both agree. */
export class GarbageCollector {
  readonly #parts: CollectorParts;
  /** One collection at a time: they share the list of doomed folders. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    parts.database.exec("CREATE TEMP TABLE doomed (folder INTEGER PRIMARY KEY)");
  }

  async collect(request: CollectRequest, signal: AbortSignal): Promise<CollectedGarbage> {
    const work = async (): Promise<CollectedGarbage> =>
      request.isDryRun ? await this.#count(request, signal) : await this.#run(request, signal);
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => undefined); // A failure is its caller's.
    return await mine;
  }

  /** Bytes of owned blocks that no pin needs, however young. */
  async unpinnedBytes(nowMs: number, signal: AbortSignal): Promise<number> {
    return (await this.#countBlocks({ nowMs, olderThanMs: Number.MAX_SAFE_INTEGER }, signal)).sizeBytes;
  }

  async #count(request: CollectRequest, signal: AbortSignal): Promise<CollectedGarbage> {
    const { database, pins } = this.#parts;
    const doomed = this.#unpinnedResults(request.nowMs);
    database.change(() => {
      database.run("DELETE FROM doomed");
      for (const { folder } of doomed) database.run("INSERT INTO doomed (folder) VALUES (?)", folder);
    });
    const sum = await this.#countBlocks(request, signal);
    for (const { folder } of doomed) addTo(sum, await this.#countFolder(folder, request.nowMs, signal));
    return { pins: pins.countExpired(request.nowMs), ...sum };
  }

  async #run({ nowMs, olderThanMs }: CollectRequest, signal: AbortSignal): Promise<CollectedGarbage> {
    const { database, blocks, pins: table, turns, dropUnpinned } = this.#parts;
    let pins = 0;
    for (let ended = -1; ended !== 0; pins += ended) ended = await turns.take(async () => table.removeExpired(nowMs, ROWS_AT_ONCE));
    const sum = { blocks: 0, sizeBytes: 0 };
    for (const { execution_id: executionId, folder } of this.#unpinnedResults(nowMs)) {
      signal.throwIfAborted();
      await turns.take(async () => {
        await dropUnpinned(executionId, async () => {
          database.change(() => {
            database.run("DELETE FROM doomed");
            database.run("INSERT INTO doomed (folder) VALUES (?)", folder);
          });
          addTo(sum, await this.#countFolder(folder, nowMs, signal));
        });
      });
    }
    await this.#forgetReleased(signal);
    for (const { from, to } of this.#windows()) {
      signal.throwIfAborted();
      addTo(sum, await turns.take(async () => await blocks.removeUnneeded({ from, to, olderThanMs })));
    }
    return { pins, ...sum };
  }

  /** Roots that lost a pin: when it was their last, nothing below is needed for them any more. */
  async #forgetReleased(signal: AbortSignal): Promise<void> {
    const { database, pins, turns } = this.#parts;
    let after = new Uint8Array();
    for (;;) {
      signal.throwIfAborted();
      const root = database.first<{ root: Uint8Array<ArrayBuffer> }>(
        "SELECT root FROM released WHERE root > ? ORDER BY root LIMIT 1",
        after,
      )?.root;
      if (root === undefined) return;
      await turns.take(async () =>
        database.change(() => {
          const isWaiting = !pins.isPinned(root) && database.first(`SELECT 1 WHERE ${isRead("?")}`, root) !== undefined;
          const isDone = isWaiting || pins.isPinned(root) || database.run(REMOVE_SOME_MEMBERS, root, ROWS_AT_ONCE) < ROWS_AT_ONCE;
          if (isDone) after = root;
          if (isDone && !isWaiting) database.run("DELETE FROM released WHERE root = ?", root);
        }),
      );
    }
  }

  #unpinnedResults(nowMs: number): readonly { readonly execution_id: string; readonly folder: number }[] {
    return this.#parts.database.all(UNPINNED_RESULTS, nowMs);
  }

  /** Ranges of block numbers with as many rows as one turn may look at. */
  *#windows(): Generator<{ readonly from: number; readonly to: number }> {
    for (let from = 0; ;) {
      const to = this.#parts.database.first<{ id: number | null }>(WINDOW_END, from, ROWS_AT_ONCE)?.id ?? undefined;
      if (to === undefined) return;
      yield { from, to };
      from = to;
    }
  }

  async #countBlocks({ nowMs, olderThanMs }: { nowMs: number; olderThanMs: number }, signal: AbortSignal): Promise<Sum> {
    const sum = { blocks: 0, sizeBytes: 0 };
    const pace = new Pace(signal);
    for (const { from, to } of this.#windows()) {
      addTo(sum, this.#parts.database.first<Sum>(COUNT_BLOCKS, nowMs, olderThanMs, from, to));
      if (pace.isDue) await pace.rest();
    }
    return sum;
  }

  /** Leaves that go with a doomed folder. */
  async #countFolder(folder: number, nowMs: number, signal: AbortSignal): Promise<Sum> {
    const sum = { blocks: 0, sizeBytes: 0 };
    const pace = new Pace(signal);
    const first = folder * FILES_PER_FOLDER;
    const last = this.#parts.database.first<{ id: number | null }>("SELECT max(id) AS id FROM file WHERE folder = ?", folder)?.id ?? 0;
    for (let from = first; from < last; from += ROWS_AT_ONCE) {
      addTo(sum, this.#parts.database.first<Sum>(COUNT_LEAVES, nowMs, from, from + ROWS_AT_ONCE));
      if (pace.isDue) await pace.rest();
    }
    return sum;
  }
}

interface Sum {
  blocks: number;
  sizeBytes: number;
}

function addTo(sum: Sum, more: Readonly<Sum> | undefined): void {
  sum.blocks += more?.blocks ?? 0;
  sum.sizeBytes += more?.sizeBytes ?? 0;
}

const ROWS_AT_ONCE = 1_000;
const UNPINNED_RESULTS = `SELECT execution_id, folder FROM result WHERE NOT EXISTS (SELECT 1 FROM lease WHERE lease.folder = result.folder)
  AND NOT EXISTS (SELECT 1 FROM pin WHERE owner = 'execution:' || execution_id AND pin.root = result.root AND (expires_ms = 0 OR expires_ms > ?))`;
const WINDOW_END = "SELECT max(id) AS id FROM (SELECT id FROM block WHERE id > ? ORDER BY id LIMIT ?)";
const REMOVE_SOME_MEMBERS = "DELETE FROM member WHERE root = ?1 AND digest IN (SELECT digest FROM member WHERE root = ?1 LIMIT ?2)";
const COUNT_BLOCKS = `SELECT count(*) AS blocks, coalesce(sum(size), 0) AS sizeBytes FROM block
  WHERE id > ?3 AND id <= ?4 AND stored_ms < ?2 AND NOT ${isNeeded("block.digest", "?1")}`;
/** Each digest once: at its first place in the doomed folders, and only when no result that stays has it. */
const COUNT_LEAVES = `SELECT count(*) AS blocks, coalesce(sum(size), 0) AS sizeBytes FROM file_block AS leaf WHERE file > ?2 AND file <= ?3
  AND NOT EXISTS (SELECT 1 FROM block WHERE block.digest = leaf.digest) AND NOT ${isNeeded("leaf.digest", "?1")}
  AND NOT EXISTS (SELECT 1 FROM file_block AS other JOIN folder ON folder.id = other.file / ${FILES_PER_FOLDER} WHERE other.digest = leaf.digest
    AND CASE WHEN folder.id IN (SELECT folder FROM doomed) THEN (other.file, other.at) < (leaf.file, leaf.at) ELSE folder.state = 'staged' END)`;
