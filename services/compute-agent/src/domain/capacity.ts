import { NO_RESOURCES, addResources, subtractResources, timesFitting, type ExecutionId, type Resources } from "@skrei/domain";

/**
 * What this node's executions may use: reservations of offers by ask, until they expire, and allocations by execution. An
 * allocation takes the place of one partition of its ask's reservation.
 */
export class Capacity {
  readonly total: Resources;
  readonly #reservations = new Map<string, Reservation>();
  readonly #allocations = new Map<ExecutionId, Resources>();

  constructor(total: Resources) {
    this.total = total;
  }

  free(nowMs: number): Resources {
    let used = NO_RESOURCES;
    for (const need of this.#allocations.values()) used = addResources(used, need);
    for (const [askId, { need, partitions, expiresAtMs }] of this.#reservations) {
      if (expiresAtMs <= nowMs) this.#reservations.delete(askId);
      else used = addResources(used, timesResources(need, partitions));
    }
    return subtractResources(this.total, used);
  }

  /** Reserves for as many of `partitions` as fit, and says how many. Repeating an ask replaces its reservation. */
  reserve(askId: string, { need, partitions, expiresAtMs }: Reservation, nowMs: number): number {
    this.release(askId);
    const count = timesFitting(need, this.free(nowMs), partitions);
    if (count > 0) this.#reservations.set(askId, { need, partitions: count, expiresAtMs });
    return count;
  }

  release(askId: string): void {
    this.#reservations.delete(askId);
  }

  /** True when the execution has its resources, in place of one partition of its ask's reservation or from what is free; repeating it is true. */
  allocate(executionId: ExecutionId, { need, askId }: { readonly need: Resources; readonly askId: string }, nowMs: number): boolean {
    if (this.#allocations.has(executionId)) return true;
    this.#takeReserved(askId);
    if (timesFitting(need, this.free(nowMs), 1) === 0) return false;
    this.#allocations.set(executionId, need);
    return true;
  }

  /** For executions that this node already holds when it starts: they are here, whatever fits. */
  adopt(executionId: ExecutionId, need: Resources): void {
    this.#allocations.set(executionId, need);
  }

  deallocate(executionId: ExecutionId): void {
    this.#allocations.delete(executionId);
  }

  #takeReserved(askId: string): void {
    const reservation = this.#reservations.get(askId);
    if (reservation === undefined) return;
    if (reservation.partitions === 1) this.#reservations.delete(askId);
    else this.#reservations.set(askId, { ...reservation, partitions: reservation.partitions - 1 });
  }
}

export interface Reservation {
  /** Of one partition. */
  readonly need: Resources;
  readonly partitions: number;
  readonly expiresAtMs: number;
}

function timesResources(need: Resources, count: number): Resources {
  return { cpuMillis: need.cpuMillis * count, memoryBytes: need.memoryBytes * count, diskBytes: need.diskBytes * count };
}
