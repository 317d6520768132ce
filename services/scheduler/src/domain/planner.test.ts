import type { JobId, NodeId, Resources } from "@skrei/domain";
import fc from "fast-check";
import { expect, test } from "vitest";
import { aNode } from "../../../../test/kit/scheduler-records.ts";
import { JobQueue } from "./job-queue.ts";
import type { QueueClass, QueuedJob } from "./job-queue.ts";
import { NodeIndex, shapeOf } from "./node-index.ts";
import { rankAmong, rankNodes } from "./rank-nodes.ts";

const SHAPES = [undefined, "a", "b"].map((zone) =>
  shapeOf({ engine: "wasm", networkMode: "none", constraints: zone === undefined ? [] : [{ key: "zone", operator: "=", values: [zone] }] }),
);

interface World {
  readonly index: NodeIndex;
  readonly queue: JobQueue;
  readonly placed: { readonly slot: number; readonly size: Resources; readonly job: QueuedJob }[];
}

function size(cores: number): Resources {
  return { cpuMillis: cores * 1_000, memoryBytes: 1, diskBytes: 1 };
}

/** What the placer does, without bids. */
function placeAll({ index, queue, placed }: World, random: () => number): void {
  for (let job = queue.next(); job !== undefined; job = queue.next()) {
    const { queueClass } = job;
    const options = { size: queueClass.size, nodesMax: 1, partitions: 1, random, isExcluded: never, isAvoided: never, likely: [] };
    const eligible = index.eligible(queueClass.shape);
    const { slots } =
      queueClass.freedSlots === undefined ? rankNodes(index, eligible, options) : rankAmong(index, queueClass.freedSlots, options);
    const [slot] = slots;
    if (slot === undefined) {
      queue.park(queueClass);
      queue.add(job);
      continue;
    }
    index.reserve(slot, queueClass.size, 1);
    placed.push({ slot, size: queueClass.size, job });
  }
}

function free({ index, queue, placed }: World, which: number): void {
  const [done] = placed.splice(which % placed.length, 1);
  if (done === undefined) return;
  index.release(done.slot, done.size, 1);
  queue.wake(done.slot, index);
}

test("no node is over its capacity, labels are kept, and whatever waits truly has no room, after any history", () => {
  const nodes = fc.array(fc.record({ cores: fc.integer({ min: 1, max: 8 }), zone: fc.constantFrom("a", "b") }), {
    minLength: 1,
    maxLength: 150,
  });
  const jobs = fc.array(fc.record({ cores: fc.integer({ min: 1, max: 6 }), shape: fc.integer({ min: 0, max: 2 }) }), { maxLength: 200 });
  const frees = fc.array(fc.nat(), { maxLength: 100 });
  fc.assert(
    fc.property(nodes, jobs, frees, fc.integer(), (machines, wanted, ends, seed) => {
      const world: World = { index: new NodeIndex(), queue: new JobQueue(), placed: [] };
      let state = seed >>> 0;
      const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
      for (const [i, { cores, zone }] of machines.entries()) {
        const capacity = { cpuMillis: cores * 1_000, memoryBytes: 2 ** 30, diskBytes: 2 ** 30 };
        world.index.upsert(aNode({ id: `n-${String(i)}` as NodeId, labels: { zone }, capacity }));
      }
      for (const [i, { cores, shape }] of wanted.entries()) {
        const queueClass = world.queue.classOf(SHAPES[shape] ?? (SHAPES[0] as (typeof SHAPES)[0]), size(cores));
        world.queue.add({ id: `j-${String(i)}` as JobId, priority: i % 3, order: i, queueClass, isQueued: false });
      }
      placeAll(world, random);
      check(world, machines.length, wanted.length);
      let left = wanted.length;
      for (const end of ends) {
        if (world.placed.length > 0) left--;
        free(world, end);
        placeAll(world, random);
        check(world, machines.length, left);
      }
    }),
    { numRuns: 60 },
  );
});

test("the queue gives the highest priority first, then the oldest, over all classes", () => {
  const queue = new JobQueue();
  const [small, large] = [queue.classOf(SHAPES[0] as (typeof SHAPES)[0], size(1)), queue.classOf(SHAPES[1] as (typeof SHAPES)[0], size(2))];
  const add = (id: string, priority: number, order: number, queueClass = small): QueuedJob => {
    const job = { id: id as JobId, priority, order, queueClass, isQueued: false };
    queue.add(job);
    return job;
  };
  add("old", 0, 1);
  add("urgent", 5, 3, large);
  add("older urgent", 5, 2);
  queue.remove(add("removed", 9, 4));
  expect([queue.next(), queue.next(), queue.next(), queue.next()].map((job) => job?.id)).toEqual([
    "older urgent",
    "urgent",
    "old",
    undefined,
  ]);
});

test("a new node wakes only the classes that fit there", () => {
  const index = new NodeIndex();
  const queue = new JobQueue();
  for (const [i, cores] of [1, 4].entries()) {
    const queueClass = queue.classOf(SHAPES[0] as (typeof SHAPES)[0], size(cores));
    queue.add({ id: `j-${String(cores)}` as JobId, priority: 0, order: i, queueClass, isQueued: false });
    queue.park(queueClass);
  }
  expect(queue.next()).toBeUndefined();
  queue.wake(index.upsert(aNode({ capacity: { cpuMillis: 2_000, memoryBytes: 9, diskBytes: 9 } })), index);
  expect(queue.next()?.id).toBe("j-1");
  expect(queue.next()).toBeUndefined();
});

test("a class that was forgotten while parked serves the job that comes back to it", () => {
  const queue = new JobQueue();
  const queueClass = queue.classOf(SHAPES[0] as (typeof SHAPES)[0], size(1));
  queue.park(queueClass);
  queue.dropEmptyClasses(0);
  queue.add({ id: "j-1" as JobId, priority: 0, order: 1, queueClass, isQueued: false });
  expect(queue.next()?.id).toBe("j-1");
});

function check({ index, queue, placed }: World, nodes: number, jobs: number): void {
  for (let slot = 0; slot < nodes; slot++) expect(index.freeAt(slot).cpuMillis).toBeGreaterThanOrEqual(0);
  for (const { slot, job } of placed) {
    const zone = job.queueClass.shape.constraints[0]?.values[0];
    if (zone !== undefined) expect(index.nodeAt(slot)?.labels["zone"]).toBe(zone);
  }
  expect(queue.size + placed.length).toBe(jobs);
  for (const shape of SHAPES) for (let cores = 1; cores <= 6; cores++) checkNoRoom(index, queue.classOf(shape, size(cores)), nodes);
}

function checkNoRoom(index: NodeIndex, { jobs, shape, size: need }: QueueClass, nodes: number): void {
  if (jobs.size === 0) return;
  for (let slot = 0; slot < nodes; slot++) if (index.eligible(shape).has(slot)) expect(index.room(slot, need, 1)).toBe(0);
}

function never(): boolean {
  return false;
}
