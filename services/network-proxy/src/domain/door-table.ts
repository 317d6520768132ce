import type { NetworkMode } from "@skrei/domain";

/** The network reach of one execution. */
export interface Door {
  readonly executionId: string;
  readonly mode: NetworkMode;
}

/** The doors that are open. A door of mode none holds nothing that could outlive the process, so the table is memory. */
export class DoorTable {
  readonly #doors = new Map<string, Door>();

  /** The door of the execution; the first one stays until it is closed. */
  open(executionId: string, mode: NetworkMode): Door {
    const known = this.#doors.get(executionId);
    if (known !== undefined) return known;
    const door: Door = { executionId, mode };
    this.#doors.set(executionId, door);
    return door;
  }

  close(executionId: string): void {
    this.#doors.delete(executionId);
  }

  closeAll(): void {
    this.#doors.clear();
  }

  /** By execution id. */
  list(): readonly Door[] {
    return [...this.#doors.values()].toSorted((a, b) => (a.executionId < b.executionId ? -1 : 1));
  }
}
