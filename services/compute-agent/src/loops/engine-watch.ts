import type { EngineName, NetworkMode, NodeEngine } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { Clock, DoorPort, Executor } from "../ports.ts";

/** Which engines answer and which network modes the proxy offers, as of the last look; starts engines that could not be started. */
export class EngineWatch {
  readonly #parts: WatchParts;
  readonly #started = new Set<EngineName>();
  #engines: readonly NodeEngine[] = [];
  #networkModes: readonly NetworkMode[] = [];

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  get engines(): readonly NodeEngine[] {
    return this.#engines;
  }

  get networkModes(): readonly NetworkMode[] {
    return this.#networkModes;
  }

  isStarted(name: EngineName): boolean {
    return this.#started.has(name);
  }

  /** Looks again. Never throws. */
  async probe(): Promise<readonly NodeEngine[]> {
    const [engines] = await Promise.all([Promise.all([...this.#parts.executors.values()].map((executor) => this.#probeOne(executor))), this.#askModes()]);
    this.#engines = engines;
    return engines;
  }

  async #probeOne(executor: Executor): Promise<NodeEngine> {
    const { name } = executor;
    if (!this.#started.has(name)) {
      try {
        await executor.start();
        this.#started.add(name);
      } catch (error) {
        this.#parts.logger.debug({ engine: name, err: error }, "the engine cannot be used yet");
        return { name, version: "", isAvailable: false, message: error instanceof Error ? error.message : "the engine could not be started" };
      }
    }
    return await executor.probe();
  }

  async #askModes(): Promise<void> {
    try {
      this.#networkModes = await this.#parts.doors.modes(AbortSignal.timeout(MODES_TIMEOUT_MS));
    } catch (error) {
      // What it said last stands: an execution whose door cannot be opened is refused then.
      this.#parts.logger.warn({ err: error }, "the network-proxy does not say which modes it offers");
    }
  }
}

interface WatchParts {
  readonly executors: ReadonlyMap<EngineName, Executor>;
  readonly doors: DoorPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MODES_TIMEOUT_MS = 2_000;
