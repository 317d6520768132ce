import type { EngineName, ExecutionId } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { hasEnded } from "../domain/execution-record.ts";
import type { Clock, DoorPort, Executor, WorkFolders } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";
import type { OfferWatch } from "./offer-watch.ts";

/** Removes what engines, folders and the proxy hold of executions that are not alive here: once at the start, then now and then. */
export class OrphanSweep {
  readonly #parts: SweepParts;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.sweep();
      await this.#parts.clock.sleep(SWEEP_EVERY_MS, signal).catch(() => undefined); // The agent stops.
    }
  }

  /** Never throws; what could not be removed is found by the next sweep. */
  async sweep(): Promise<void> {
    const { offers, executors, folders, doors, logger } = this.#parts;
    for (const [name, executor] of executors) {
      if (!offers.isStarted(name)) continue;
      await this.#sweepPlace(
        name,
        async () => (await executor.held()).map(({ executionId }) => executionId),
        (id) => executor.remove(id),
      );
    }
    await this.#sweepPlace(
      "folders",
      () => folders.list(),
      (id) => folders.remove(id),
    );
    await this.#sweepPlace(
      "doors",
      () => doors.list(AbortSignal.timeout(LIST_TIMEOUT_MS)),
      (id) => doors.close(id),
    );
    logger.debug({}, "swept for orphans");
  }

  async #sweepPlace(
    component: string,
    list: () => Promise<readonly ExecutionId[]>,
    remove: (id: ExecutionId) => Promise<unknown>,
  ): Promise<void> {
    const { logger } = this.#parts;
    try {
      for (const executionId of await list()) {
        if (this.#isAlive(executionId)) continue;
        await remove(executionId);
        logger.info({ executionId, component, event: "orphan.removed" }, "removed what an ended execution left");
      }
    } catch (error) {
      logger.warn({ component, err: error }, "the sweep could not finish");
    }
  }

  /** Asked just before each removal: it may have been assigned since the list was made. */
  #isAlive(executionId: ExecutionId): boolean {
    const record = this.#parts.held.get(executionId);
    return record !== undefined && !hasEnded(record);
  }
}

interface SweepParts {
  readonly held: HeldExecutions;
  readonly offers: OfferWatch;
  readonly executors: ReadonlyMap<EngineName, Executor>;
  readonly folders: WorkFolders;
  readonly doors: DoorPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

const SWEEP_EVERY_MS = 60_000;
const LIST_TIMEOUT_MS = 2_000;
