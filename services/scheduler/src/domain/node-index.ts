import type { Constraint, EngineName, NetworkMode, Node, NodeId, Resources } from "@skrei/domain";
import { EligibleSlots } from "./eligible-slots.ts";
import { isEligible } from "./filter-nodes.ts";

/** Constraints, engine and network mode: what decides, load aside, which nodes a task may go to. Few jobs have a shape of their own. */
export interface Shape {
  readonly key: string;
  readonly constraints: readonly Constraint[];
  readonly engine: EngineName;
  readonly networkMode: NetworkMode;
}

export function shapeOf({ constraints, engine, networkMode }: Omit<Shape, "key">): Shape {
  const key = JSON.stringify([engine, networkMode, constraints.map(({ key: label, operator, values }) => [label, operator, values])]);
  return { key, constraints, engine, networkMode };
}

/**
 * Nodes in slots, their free capacity in typed arrays, and the eligible slots of each shape in use. Sampling these places
 * about a million partitions per second where walking the nodes and their labels places a few thousand.
 */
export class NodeIndex {
  readonly #slots = new Map<NodeId, number>();
  readonly #nodes: (Node | undefined)[] = [];
  readonly #vacantSlots: number[] = [];
  readonly #shapes = new Map<string, { readonly shape: Shape; readonly slots: EligibleSlots }>();
  #freeCpu = new Float64Array(64);
  #freeMemory = new Float64Array(64);
  #freeDisk = new Float64Array(64);
  /** One over the capacity, to score without a division and without touching the node's record. */
  #perCpu = new Float64Array(64);
  #perMemory = new Float64Array(64);

  /** Adds the node or takes over its changed record. What is reserved on it stays reserved. */
  upsert(node: Node): number {
    const slot = this.#slots.get(node.id) ?? this.#newSlot(node.id);
    const before = this.#nodes[slot]?.capacity;
    this.#nodes[slot] = node;
    this.#add(slot, node.capacity, 1);
    this.#perCpu[slot] = 1 / Math.max(1, node.capacity.cpuMillis);
    this.#perMemory[slot] = 1 / Math.max(1, node.capacity.memoryBytes);
    if (before !== undefined) this.#add(slot, before, -1);
    for (const { shape, slots } of this.#shapes.values()) slots.set(slot, isEligible(shape, node));
    return slot;
  }

  remove(id: NodeId): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#slots.delete(id);
    this.#nodes[slot] = undefined;
    this.#freeCpu[slot] = this.#freeMemory[slot] = this.#freeDisk[slot] = 0;
    for (const { slots } of this.#shapes.values()) slots.set(slot, false);
    this.#vacantSlots.push(slot);
  }

  slotOf(id: NodeId): number | undefined {
    return this.#slots.get(id);
  }

  nodeAt(slot: number): Node | undefined {
    return this.#nodes[slot];
  }

  freeAt(slot: number): Resources {
    return { cpuMillis: this.#freeCpu[slot] ?? 0, memoryBytes: this.#freeMemory[slot] ?? 0, diskBytes: this.#freeDisk[slot] ?? 0 };
  }

  reserve(slot: number, size: Resources, times: number): void {
    this.#add(slot, size, -times);
  }

  release(slot: number, size: Resources, times: number): void {
    this.#add(slot, size, times);
  }

  /** How many executions of `size` fit in the slot now, bounded by `countMax`. */
  room(slot: number, size: Resources, countMax: number): number {
    if (countMax === 1) return this.#fitsOne(slot, size) ? 1 : 0;
    let room = countMax;
    if (size.cpuMillis > 0) room = Math.min(room, (this.#freeCpu[slot] ?? 0) / size.cpuMillis);
    if (size.memoryBytes > 0) room = Math.min(room, (this.#freeMemory[slot] ?? 0) / size.memoryBytes);
    if (size.diskBytes > 0) room = Math.min(room, (this.#freeDisk[slot] ?? 0) / size.diskBytes);
    return room < 1 ? 0 : Math.floor(room);
  }

  /** The scarcest resource's free share after one more of `size`; higher spreads load better. */
  freeShare(slot: number, size: Resources): number {
    const cpu = ((this.#freeCpu[slot] ?? 0) - size.cpuMillis) * (this.#perCpu[slot] ?? 0);
    const memory = ((this.#freeMemory[slot] ?? 0) - size.memoryBytes) * (this.#perMemory[slot] ?? 0);
    return cpu < memory ? cpu : memory;
  }

  /** The slots that satisfy the shape; built on first use and kept current from then on. */
  eligible(shape: Shape): EligibleSlots {
    const known = this.#shapes.get(shape.key);
    if (known !== undefined) return known.slots;
    const slots = new EligibleSlots();
    for (const [slot, node] of this.#nodes.entries()) if (node !== undefined && isEligible(shape, node)) slots.set(slot, true);
    this.#shapes.set(shape.key, { shape, slots });
    return slots;
  }

  /** Forgets shapes that nobody waits with, once there are more than `countMax`. */
  dropUnusedShapes(countMax: number, used: ReadonlySet<string>): void {
    if (this.#shapes.size <= countMax) return;
    for (const key of this.#shapes.keys()) if (!used.has(key)) this.#shapes.delete(key);
  }

  #newSlot(id: NodeId): number {
    const slot = this.#vacantSlots.pop() ?? this.#nodes.length;
    this.#slots.set(id, slot);
    if (slot >= this.#freeCpu.length) {
      this.#freeCpu = doubled(this.#freeCpu);
      this.#freeMemory = doubled(this.#freeMemory);
      this.#freeDisk = doubled(this.#freeDisk);
      this.#perCpu = doubled(this.#perCpu);
      this.#perMemory = doubled(this.#perMemory);
    }
    return slot;
  }

  #fitsOne(slot: number, { cpuMillis, memoryBytes, diskBytes }: Resources): boolean {
    return (
      (this.#freeCpu[slot] ?? 0) >= cpuMillis && (this.#freeMemory[slot] ?? 0) >= memoryBytes && (this.#freeDisk[slot] ?? 0) >= diskBytes
    );
  }

  #add(slot: number, size: Resources, times: number): void {
    this.#freeCpu[slot] = (this.#freeCpu[slot] ?? 0) + size.cpuMillis * times;
    this.#freeMemory[slot] = (this.#freeMemory[slot] ?? 0) + size.memoryBytes * times;
    this.#freeDisk[slot] = (this.#freeDisk[slot] ?? 0) + size.diskBytes * times;
  }
}

function doubled(array: Float64Array): Float64Array<ArrayBuffer> {
  const next = new Float64Array(array.length * 2);
  next.set(array);
  return next;
}
