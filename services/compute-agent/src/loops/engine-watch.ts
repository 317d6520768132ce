import type { EngineName, NetworkMode, NodeEngine } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { Clock, DoorPort, Executor } from "../ports.ts";

/** Which engines answer and which network modes the proxy offers, as of the last look; starts engines that could not be started. */
export class EngineWatch {
  readonly #parts: WatchParts;
  readonly #started = new Set<EngineName>();
  #engines: readonly NodeEngine[];
  #looking: Promise<void> | undefined;
  #networkModes: readonly NetworkMode[] = [];

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#engines = [...parts.executors.keys()].map((name) => ({
      name,
      version: "",
      isAvailable: false,
      message: "the engine has not answered yet",
    }));
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

  /**
   * Looks again, unless a look is under way; resolves with what is known when that is done, or after `withinMs`. Never throws:
   * an engine that hangs must not keep a heartbeat.
   */
  async look(withinMs: number): Promise<readonly NodeEngine[]> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    const done = new AbortController();
    await Promise.race([this.#looking, this.#parts.clock.sleep(withinMs, done.signal).catch(() => undefined)]);
    done.abort();
    return this.#engines;
  }

  async #lookOnce(): Promise<void> {
    const { executors } = this.#parts;
    const look = async (executor: Executor): Promise<void> => this.#keep(await this.#probeOne(executor));
    await Promise.all([...[...executors.values()].map(look), this.#askModes()]);
  }

  #keep(engine: NodeEngine): void {
    this.#engines = [...this.#engines.filter(({ name }) => name !== engine.name), engine];
  }

  async #probeOne(executor: Executor): Promise<NodeEngine> {
    const { name } = executor;
    if (!this.#started.has(name)) {
      try {
        await executor.start();
        this.#started.add(name);
      } catch (error) {
        this.#parts.logger.debug({ engine: name, err: error }, "the engine cannot be used yet");
        return {
          name,
          version: "",
          isAvailable: false,
          message: error instanceof Error ? error.message : "the engine could not be started",
        };
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
