import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { hasReason } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { randomExecutionId } from "../../../../test/kit/random-execution-id.ts";
import type { Block } from "../ports.ts";
import { FileContentStore } from "./file-content-store.ts";

const noSignal = new AbortController().signal;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skrei-chaos-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([1, 2, 3])(
  "keeps every pinned root whole and nothing else while all happens at once (seed %d)",
  { timeout: 60_000 },
  async (seed) => {
    const chaos = await Chaos.start(seed);
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 8 }, async () => await chaos.act(12)));
      await chaos.checkPinned();
      await chaos.checkDryRun();
    }
    await chaos.reopen();
    await chaos.checkPinned();
    await chaos.clear();
    expect(chaos.leftovers()).toEqual({});
    chaos.store[Symbol.dispose]();
  },
);

interface Tree {
  readonly cid: string;
  readonly blocks: readonly Block[];
}

/** Clients that stage, upload, pin, read, unpin, drop and collect in an order that a seed gives; it knows what must be there. */
class Chaos {
  store: FileContentStore;
  readonly #random: () => number;
  readonly #trees: readonly Tree[];
  readonly #pins = new Map<string, string>();
  readonly #results = new Map<string, string>();
  readonly #leases = new Set<string>();
  #count = 0;

  private constructor(store: FileContentStore, random: () => number, trees: readonly Tree[]) {
    this.store = store;
    this.#random = random;
    this.#trees = trees;
  }

  static async start(seed: number): Promise<Chaos> {
    const random = mulberry(seed);
    const source = await open("source");
    const trees = [];
    for (let index = 0; index < 12; index++) {
      const { cid } = await source.stage({ executionId: randomExecutionId(), folder: makeFolder(random), bytesMax: 10_000_000 }, noSignal);
      const blocks: Block[] = [];
      for await (const { cid: below } of source.list(cid)) blocks.push({ cid: below, data: await source.get(below) });
      trees.push({ cid, blocks });
    }
    source[Symbol.dispose]();
    return new Chaos(await open("store"), random, trees);
  }

  async act(times: number): Promise<void> {
    const acts: readonly (() => Promise<void> | void)[] = [
      this.#stage,
      this.#stage,
      this.#upload,
      this.#unpin,
      this.#drop,
      this.#unpinResult,
      this.#lease,
      this.#release,
      this.#collect,
    ];
    for (let index = 0; index < times; index++) await acts[this.#below(acts.length)]?.call(this);
  }

  async checkPinned(): Promise<void> {
    for (const cid of [...this.#pins.values(), ...this.#results.values()])
      for await (const below of this.store.list(cid)) expect((await this.store.get(below.cid)).length).toBe(below.sizeBytes);
    const owners = [...this.#pins.keys(), ...[...this.#results.keys()].map((executionId) => `execution:${executionId}`)];
    const { pins } = this.store.pins({ ownerPrefix: "", cid: undefined, pageSize: 1_000, pageToken: "" });
    expect(pins.map(({ owner }) => owner)).toEqual(owners.toSorted());
    for (const { cid, sizeBytes } of pins) {
      let sum = 0;
      for await (const below of this.store.list(cid)) sum += below.sizeBytes;
      expect(sizeBytes).toBe(sum);
    }
  }

  async checkDryRun(): Promise<void> {
    const [nowMs, olderThanMs] = [Date.now(), Date.now() + 1_000];
    // Results and pins whose end nobody has acted on yet.
    for (let index = 0; index < 3; index++) this.#unpin();
    for (let index = 0; index < 2; index++) this.#unpinResult();
    const counted = await this.store.collectGarbage({ isDryRun: true, nowMs, olderThanMs }, noSignal);
    expect(await this.store.collectGarbage({ isDryRun: false, nowMs, olderThanMs }, noSignal)).toEqual(counted);
    expect(await this.store.collectGarbage({ isDryRun: true, nowMs, olderThanMs }, noSignal)).toEqual({ pins: 0, blocks: 0, sizeBytes: 0 });
  }

  async reopen(): Promise<void> {
    this.store[Symbol.dispose]();
    this.store = await open("store");
  }

  async clear(): Promise<void> {
    for (const lease of this.#leases) await this.store.releaseTrees(lease);
    this.store.unpin([...this.#pins.keys(), ...[...this.#results.keys()].map((executionId) => `execution:${executionId}`)]);
    await this.#collect();
    expect(await this.store.state(noSignal)).toMatchObject({ sizeBytes: 0, results: 0, pins: 0, unpinnedBytes: 0 });
  }

  /** Rows and files of a store that should be empty. */
  leftovers(): Record<string, number> {
    this.store[Symbol.dispose]();
    const database = new DatabaseSync(join(folder, "store", "index.sqlite"));
    const tables = ["block", "pack", "folder", "file", "file_block", "result", "pin", "member", "tree", "lease", "released"];
    const rows = tables.map((table) => [table, Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"])] as const);
    database.close();
    const files = ["packs", "results", "scratch"].map((name) => [name, readdirSync(join(folder, "store", name)).length] as const);
    return Object.fromEntries([...rows, ...files].filter(([, count]) => count > 0));
  }

  async #stage(): Promise<void> {
    const executionId = randomExecutionId();
    const { cid } = await this.store.stage({ executionId, folder: makeFolder(this.#random), bytesMax: 10_000_000 }, noSignal);
    this.#results.set(executionId, cid);
  }

  async #upload(): Promise<void> {
    const tree = this.#trees[this.#below(this.#trees.length)];
    if (tree === undefined) return;
    const owner = `upload:${++this.#count}`;
    for (let attempt = 0; attempt < 3; attempt++) {
      const missing = new Set(this.store.missing(tree.blocks.map(({ cid }) => cid)));
      await this.store.put(tree.blocks.filter(({ cid }) => missing.has(cid)));
      try {
        await this.store.pin(tree.cid, { owner }, noSignal);
        this.#pins.set(owner, tree.cid);
        return;
      } catch (error) {
        // What was there may have been collected since; a client sends it again.
        if (!hasReason(error, "BLOCK_MISSING")) throw error;
      }
    }
  }

  #unpin(): void {
    const owner = this.#oneOf([...this.#pins.keys()]);
    if (owner === undefined) return;
    this.#pins.delete(owner);
    expect(this.store.unpin([owner])).toBe(1);
  }

  async #drop(): Promise<void> {
    const executionId = this.#oneOf([...this.#results.keys()]);
    if (executionId === undefined) return;
    this.#results.delete(executionId);
    await this.store.drop(executionId);
  }

  #unpinResult(): void {
    const executionId = this.#oneOf([...this.#results.keys()]);
    if (executionId === undefined) return;
    this.#results.delete(executionId);
    expect(this.store.unpin([`execution:${executionId}`])).toBe(1);
  }

  #lease(): void {
    const cid = this.#oneOf([...this.#results.values()]);
    const lease = `lease-${++this.#count}`;
    if (cid === undefined) return;
    const { path } = this.store.leaseTree(cid, lease, Date.now());
    expect(readdirSync(path)).not.toEqual([]);
    this.#leases.add(lease);
  }

  async #release(): Promise<void> {
    const lease = this.#oneOf([...this.#leases]);
    if (lease === undefined) return;
    this.#leases.delete(lease);
    await this.store.releaseTrees(lease);
  }

  async #collect(): Promise<void> {
    await this.store.collectGarbage({ isDryRun: false, nowMs: Date.now(), olderThanMs: Date.now() + 1_000 }, noSignal);
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #oneOf<T>(items: readonly T[]): T | undefined {
    return items[this.#below(items.length)];
  }
}

async function open(name: string): Promise<FileContentStore> {
  return await FileContentStore.open({ folder: join(folder, name), clock: systemClock });
}

/** Few contents in few places, so that results, uploads and their folders share much. */
function makeFolder(random: () => number): string {
  const root = mkdtempSync(join(folder, "result-"));
  mkdirSync(join(root, "outputs"));
  for (let index = 0; index < 6; index++) {
    const content = Math.floor(random() * 60);
    const bytes = Buffer.alloc(content < 30 ? 100_000 : 50, hash("sha256", String(content), "buffer"));
    writeFileSync(join(root, "outputs", `file-${index % 4}-${content % 3}`), bytes);
  }
  return root;
}

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
