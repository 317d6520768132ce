import { hasEnded, idOf } from "../domain/execution-record.ts";
import type { Clock, DoorPort, InputPort } from "../ports.ts";
import { clearWithin } from "./clear-within.ts";
import { closeDoor } from "./close-door.ts";
import type { HeldExecutions } from "./held-executions.ts";

/**
 * What an ended execution left with a service of the node that was away just then: a door, a lease on inputs, a result that nobody
 * wants. Tried again until it is gone. What engines and folders hold is found by the sweep as well, this is not.
 */
export class Leftovers {
  readonly #clock: Clock;
  readonly #clearMs: number;
  readonly #clears = new Map<string, () => Promise<void>>();

  constructor({ clock, clearMs }: { readonly clock: Clock; readonly clearMs: number }) {
    this.#clock = clock;
    this.#clearMs = clearMs;
  }

  /** `clear` must be safe to repeat. */
  add(name: string, clear: () => Promise<void>): void {
    this.#clears.set(name, clear);
  }

  /** Of executions that ended before this agent began: the one before may have died between their end and letting go. */
  addEnded({ held, doors, inputs }: { readonly held: HeldExecutions; readonly doors: DoorPort; readonly inputs: InputPort }): void {
    for (const record of held.all().filter(hasEnded)) {
      const executionId = idOf(record);
      this.add(`door of ${executionId}`, () => closeDoor(record, { held, doors }));
      this.add(`inputs of ${executionId}`, () => inputs.release(executionId));
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#retry(signal);
      await this.#clock.sleep(RETRY_EVERY_MS, signal).catch(() => undefined); // The agent stops.
    }
  }

  async #retry(signal: AbortSignal): Promise<void> {
    for (const [name, clear] of this.#clears) {
      if (signal.aborted) return;
      try {
        await clearWithin(clear, { clock: this.#clock, clearMs: this.#clearMs });
        this.#clears.delete(name);
      } catch {
        // It was logged when it was left; the other services may answer, this one is asked again next time.
      }
    }
  }
}

const RETRY_EVERY_MS = 2_000;
