import type { JobId, Node, NodeId, Resources } from "@skrei/domain";
import { NO_NODE_NETWORK } from "@skrei/domain";
import { JobQueue } from "../../services/scheduler/src/domain/job-queue.ts";
import { NodeIndex, shapeOf } from "../../services/scheduler/src/domain/node-index.ts";
import { rankAmong, rankNodes } from "../../services/scheduler/src/domain/rank-nodes.ts";
import type { RankedNodes } from "../../services/scheduler/src/domain/rank-nodes.ts";
import { median } from "./median.ts";

/**
 * Placements per CPU second in memory: the scheduler's own queue and node index, without bids and store. The floor of the same run is
 * a cursor that takes the first node with room, without constraints, priorities or scores. `node bench/src/placements.ts [nodes] [jobs]`
 */
const NODES = Number(process.argv[2] ?? 10_000);
const JOBS = Number(process.argv[3] ?? 1_000_000);
const ROUNDS = 5;
const BUDGET = 500_000;
const SHAPES = Array.from({ length: 300 }, (_, i) =>
  shapeOf({
    engine: "wasm",
    networkMode: "none",
    constraints: [
      { key: "zone", operator: "=", values: [`z${String(i % 10)}`] },
      { key: "tier", operator: "in", values: [`t${String(i % 5)}`, `t${String((i + 1 + (i % 3)) % 5)}`] },
      ...(i % 2 === 0 ? [{ key: "disk", operator: "!=" as const, values: [`d${String(i % 20)}`] }] : []),
    ],
  }),
);
const SIZES: readonly Resources[] = Array.from({ length: 16 }, (_, i) => size(100 + 50 * i));

console.log(
  `${String(NODES)} nodes, ${String(JOBS)} jobs of one partition, ${String(SHAPES.length * SIZES.length)} classes, median of ${String(ROUNDS)} rounds`,
);
const floor = median(Array.from({ length: ROUNDS }, () => measureFloor()));
const roomy = rounds(1);
const full = rounds(0.3);
console.log(`floor (cursor)        ${perSecond(floor)}`);
console.log(
  `all of it fits        ${perSecond(roomy.rate)}   ${(roomy.rate / floor).toFixed(3)} of the floor, placed ${String(roomy.placed)}`,
);
console.log(
  `a third of it fits    ${perSecond(full.rate)}   ${(full.rate / floor).toFixed(3)} of the floor, placed ${String(full.placed)}, the rest parked`,
);
console.log(`a completion          ${full.wakeMs.toFixed(3).padStart(12)} ms until what it frees is placed again, median of 200`);
console.log(
  roomy.rate >= BUDGET && full.rate >= BUDGET ? `within the budget of ${String(BUDGET)}/s` : `OVER the budget of ${String(BUDGET)}/s`,
);

function rounds(share: number): { rate: number; placed: number; wakeMs: number } {
  const runs = Array.from({ length: ROUNDS }, () => measure(share));
  return { rate: median(runs.map(({ rate }) => rate)), placed: runs[0]?.placed ?? 0, wakeMs: median(runs.map(({ wakeMs }) => wakeMs)) };
}

/** Placements per CPU second, with capacity for about `share` of the jobs; the time to park the others is in it. */
function measure(share: number): { rate: number; placed: number; wakeMs: number } {
  const index = new NodeIndex();
  for (let i = 0; i < NODES; i++) index.upsert(aNode(i, share));
  const queue = new JobQueue();
  const classes = SHAPES.flatMap((shape) => SIZES.map((need) => queue.classOf(shape, need)));
  for (let order = 0; order < JOBS; order++) {
    const queueClass = classes[(order * 7_919) % classes.length] as (typeof classes)[0];
    queue.add({ id: `j-${String(order)}` as JobId, priority: order % 3, order, queueClass, isQueued: false });
  }
  for (const shape of SHAPES) index.eligible(shape);
  const placed: { slot: number; need: Resources }[] = [];
  const cpu = cpuSeconds(() => place(index, queue, placed));
  const done = Array.from({ length: 200 }, (_, i) => placed[(i * 7_919) % placed.length] as (typeof placed)[0]);
  const wakes = done.map(({ slot, need }) => {
    const before = performance.now();
    index.release(slot, need, 1);
    queue.wake(slot, index);
    place(index, queue, []);
    return performance.now() - before;
  });
  return { rate: placed.length / cpu, placed: placed.length, wakeMs: median(wakes) };
}

function place(index: NodeIndex, queue: JobQueue, placed: { slot: number; need: Resources }[]): void {
  for (let job = queue.next(); job !== undefined; job = queue.next()) {
    const { queueClass } = job;
    const { shape, size: need, freedSlots } = queueClass;
    const options = { size: need, nodesMax: 1, partitions: 1, random: Math.random, isExcluded: no, isAvoided: no, likely: [] };
    const ranked: RankedNodes =
      freedSlots === undefined ? rankNodes(index, index.eligible(shape), options) : rankAmong(index, freedSlots, options);
    const [slot] = ranked.slots;
    if (slot === undefined) {
      queue.park(queueClass);
      queue.add(job);
      continue;
    }
    index.reserve(slot, need, 1);
    placed.push({ slot, need });
  }
}

function measureFloor(): number {
  const free = new Float64Array(NODES).fill((475 * JOBS * 1.5) / NODES);
  let cursor = 0;
  const cpu = cpuSeconds(() => {
    for (let job = 0; job < JOBS; job++) {
      const need = SIZES[job % SIZES.length]?.cpuMillis ?? 0;
      while ((free[cursor] ?? 0) < need) cursor = (cursor + 1) % NODES;
      free[cursor] = (free[cursor] ?? 0) - need;
    }
  });
  return JOBS / cpu;
}

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Every shape has nodes; the mean job wants 475 millicores. */
function aNode(i: number, share: number): Node {
  const labels = { zone: `z${String(i % 10)}`, tier: `t${String(Math.floor(i / 10) % 5)}`, disk: `d${String(i % 40)}` };
  return {
    id: `n-${String(i)}` as NodeId,
    name: `node-${String(i)}`,
    membership: "approved",
    connection: "connected",
    isDraining: false,
    epoch: 1,
    session: "s",
    labels,
    engines: [{ name: "wasm", version: "1", isAvailable: true, message: "" }],
    network: NO_NODE_NETWORK,
    capacity: size(((475 * JOBS) / NODES) * share * (share === 1 ? 1.5 : 1)),
    version: "1",
    publicKeyBase64: "",
    joinedAtMs: 0,
    revision: 1,
  };
}

function size(cpuMillis: number): Resources {
  return { cpuMillis, memoryBytes: cpuMillis * 2 ** 20, diskBytes: cpuMillis * 2 ** 20 };
}

function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString("en").padStart(12)}/s`;
}

function no(): boolean {
  return false;
}
