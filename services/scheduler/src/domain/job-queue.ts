import type { JobId, Resources } from "@skrei/domain";
import { Heap } from "./heap.ts";
import type { NodeIndex, Shape } from "./node-index.ts";

/** A job with partitions to place. */
export interface QueuedJob {
  readonly id: JobId;
  readonly priority: number;
  /** Rises with each submission; earlier goes first among equals. */
  readonly order: number;
  readonly queueClass: QueueClass;
  /** Set by the queue. An entry of its heaps that is not queued any more is skipped. */
  isQueued: boolean;
}

/** Jobs that want the same of a node. When one finds no room, none of them does: the class is parked as a whole. */
export interface QueueClass {
  readonly key: string;
  readonly shape: Shape;
  readonly size: Resources;
  readonly jobs: Heap<QueuedJob>;
  isParked: boolean;
  /** When set, only these slots can have room: those where capacity was freed since the class was parked. */
  freedSlots: Set<number> | undefined;
}

/** Beyond this many freed slots a fresh search is cheaper than trying each. */
const FREED_SLOTS_MAX = 64;

/** Who is next: priority first, then order of submission, over all classes that are not parked. */
export class JobQueue {
  readonly #classes = new Map<string, QueueClass>();
  readonly #parkedByShape = new Map<string, Set<QueueClass>>();
  #size = 0;
  /** Heads of classes; an entry that is no longer its class's head is skipped. */
  readonly #heads = new Heap<QueuedJob>(isBefore);

  /** Jobs that wait in the queue, parked ones included. */
  get size(): number {
    return this.#size;
  }

  classOf(shape: Shape, size: Resources): QueueClass {
    const key = `${String(size.cpuMillis)}/${String(size.memoryBytes)}/${String(size.diskBytes)} ${shape.key}`;
    const known = this.#classes.get(key);
    if (known !== undefined) return known;
    const queueClass: QueueClass = { key, shape, size, jobs: new Heap<QueuedJob>(isBefore), isParked: false, freedSlots: undefined };
    this.#classes.set(key, queueClass);
    return queueClass;
  }

  add(job: QueuedJob): void {
    if (job.isQueued) return;
    job.isQueued = true;
    this.#size++;
    job.queueClass.jobs.push(job);
    if (!job.queueClass.isParked && job.queueClass.jobs.peek() === job) this.#heads.push(job);
  }

  remove(job: QueuedJob): void {
    if (!job.isQueued) return;
    job.isQueued = false;
    this.#size--;
  }

  /** Takes the next job out of the queue; undefined when every class is parked or empty. */
  next(): QueuedJob | undefined {
    for (let head = this.#heads.pop(); head !== undefined; head = this.#heads.pop()) {
      const { queueClass } = head;
      if (queueClass.isParked || queueClass.jobs.peek() !== head) continue;
      queueClass.jobs.pop();
      this.#exposeHead(queueClass);
      if (!head.isQueued) continue;
      this.remove(head);
      return head;
    }
    return undefined;
  }

  /** Puts the class aside until capacity that could serve it is freed. */
  park(queueClass: QueueClass): void {
    queueClass.freedSlots = undefined;
    queueClass.isParked = true;
    const { key } = queueClass.shape;
    const parked = this.#parkedByShape.get(key);
    if (parked === undefined) this.#parkedByShape.set(key, new Set([queueClass]));
    else parked.add(queueClass);
  }

  /** Wakes the parked classes that fit in the slot now: call it when capacity was freed there or its node became eligible. */
  wake(slot: number, index: NodeIndex): boolean {
    let isAnyAwake = false;
    for (const parked of this.#parkedByShape.values()) {
      for (const queueClass of parked) {
        if (!index.eligible(queueClass.shape).has(slot)) break;
        if (index.room(slot, queueClass.size, 1) === 0) continue;
        this.#unpark(queueClass, parked);
        queueClass.freedSlots = new Set([slot]);
        isAnyAwake = true;
      }
    }
    this.#noteFreed(slot);
    return isAnyAwake || this.#heads.size > 0;
  }

  /** Wakes everything; the next search of each class is a full one. */
  wakeAll(): void {
    for (const parked of this.#parkedByShape.values()) for (const queueClass of parked) this.#unpark(queueClass, parked);
  }

  /** Keys of the shapes of which jobs wait. */
  usedShapes(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const { shape, jobs } of this.#classes.values()) if (jobs.size > 0) keys.add(shape.key);
    return keys;
  }

  /** Forgets empty classes, once there are more than `countMax`. */
  dropEmptyClasses(countMax: number): void {
    if (this.#classes.size <= countMax) return;
    for (const queueClass of this.#classes.values()) {
      if (queueClass.jobs.size > 0) continue;
      this.#classes.delete(queueClass.key);
      this.#hinted.delete(queueClass);
      this.#parkedByShape.get(queueClass.shape.key)?.delete(queueClass);
      // A job may still hold it and come back; nobody would wake it then.
      queueClass.isParked = false;
      queueClass.freedSlots = undefined;
    }
  }

  /** Awake classes that search only among freed slots; they must hear of further ones. */
  readonly #hinted = new Set<QueueClass>();

  #unpark(queueClass: QueueClass, parked: Set<QueueClass>): void {
    parked.delete(queueClass);
    queueClass.isParked = false;
    queueClass.freedSlots = undefined;
    this.#hinted.add(queueClass);
    this.#exposeHead(queueClass);
  }

  #noteFreed(slot: number): void {
    for (const queueClass of this.#hinted) {
      if (queueClass.isParked || queueClass.freedSlots === undefined) this.#hinted.delete(queueClass);
      else if (queueClass.freedSlots.size >= FREED_SLOTS_MAX) queueClass.freedSlots = undefined;
      else queueClass.freedSlots.add(slot);
    }
  }

  #exposeHead(queueClass: QueueClass): void {
    const head = queueClass.jobs.peek();
    if (head !== undefined) this.#heads.push(head);
  }
}

function isBefore(a: QueuedJob, b: QueuedJob): boolean {
  return a.priority === b.priority ? a.order < b.order : a.priority > b.priority;
}
