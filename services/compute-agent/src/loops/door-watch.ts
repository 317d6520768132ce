import type { Logger } from "@skrei/platform/logger.ts";
import type { Clock, DoorPort } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";
import { backoffMs } from "./retry.ts";

/** Follows what executions do through their doors and notes it on them, for as long as the agent runs; outlives restarts of the proxy. */
export class DoorWatch {
  readonly #parts: DoorWatchParts;

  constructor(parts: DoorWatchParts) {
    this.#parts = parts;
  }

  /** Runs until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    for (let failures = 0; !signal.aborted;) {
      const renewal = AbortSignal.timeout(RENEW_EVERY_MS);
      let isAnswering = false;
      try {
        await this.#follow(AbortSignal.any([signal, renewal]), () => {
          isAnswering = true;
        });
      } catch (error) {
        if (signal.aborted) return;
        if (renewal.aborted) continue;
        failures = isAnswering ? 1 : failures + 1;
        // Once for each time that it goes away.
        if (failures === 1) logger.warn({ err: error }, "the network-proxy does not tell what its doors are used for, asking again");
        await clock.sleep(backoffMs(BACKOFF, failures), signal).catch(() => undefined); // The agent stops.
      }
    }
  }

  async #follow(signal: AbortSignal, onAnswer: () => void): Promise<void> {
    const { doors, held } = this.#parts;
    for await (const { executionId, use } of doors.watch(signal)) {
      onAnswer();
      held.noteUse(executionId, use);
    }
  }
}

interface DoorWatchParts {
  readonly held: HeldExecutions;
  readonly doors: DoorPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

const BACKOFF = { firstMs: 200, maxMs: 5_000 };
/** A proxy that is gone without a word would be waited for in vain; each watch begins with everything, so nothing is missed. */
const RENEW_EVERY_MS = 60_000;
