import { NO_NODE_NETWORK, type EngineName, type NodeEngine, type NodeNetwork } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { Clock, DoorPort, Executor } from "../ports.ts";

/** What this node can offer, as of the last look: engines that answer and what the proxy allows. Starts engines that could not be started. */
export class OfferWatch {
  readonly #parts: WatchParts;
  readonly #started = new Set<EngineName>();
  #engines: readonly NodeEngine[];
  #looking: Promise<void> | undefined;
  /** No modes until the proxy has answered once. */
  #network: NodeNetwork = { ...NO_NODE_NETWORK, modes: [] };
  readonly #waiting = new Set<() => void>();
  #isProxyAway = false;

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

  /** The same object for as long as nothing changes. */
  get network(): NodeNetwork {
    return this.#network;
  }

  isStarted(name: EngineName): boolean {
    return this.#started.has(name);
  }

  /** Resolves when `network` is another than `known`, or at the signal. */
  async networkOtherThan(known: NodeNetwork, signal: AbortSignal): Promise<void> {
    if (this.#network !== known || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    this.#waiting.delete(wake);
    signal.removeEventListener("abort", wake);
  }

  /**
   * Looks again, unless a look is under way; resolves with what is known when that is done, or after `withinMs`. Never throws:
   * an engine that hangs must not keep a heartbeat.
   */
  async look(withinMs: number): Promise<{ readonly engines: readonly NodeEngine[]; readonly network: NodeNetwork }> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    const done = new AbortController();
    await Promise.race([this.#looking, this.#parts.clock.sleep(withinMs, done.signal).catch(() => undefined)]);
    done.abort();
    return { engines: this.#engines, network: this.#network };
  }

  async #lookOnce(): Promise<void> {
    const { executors } = this.#parts;
    const look = async (executor: Executor): Promise<void> => this.#keep(await this.#probeOne(executor));
    await Promise.all([...[...executors.values()].map(look), this.#askPolicy()]);
  }

  /** In their order, so that the scheduler sees a change only where there is one. */
  #keep(engine: NodeEngine): void {
    this.#engines = this.#engines.map((known) => (known.name === engine.name ? engine : known));
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

  async #askPolicy(): Promise<void> {
    const { doors, logger } = this.#parts;
    try {
      const network = await doors.policy(AbortSignal.timeout(POLICY_TIMEOUT_MS));
      this.#isProxyAway = false;
      if (isSame(network, this.#network)) return;
      this.#network = network;
      for (const wake of this.#waiting) wake();
      logger.info(
        { event: "network.changed", rule: network.modes.join(", "), count: network.domainCount },
        "the network-proxy has a policy",
      );
    } catch (error) {
      // What it said last stands: an execution whose door cannot be opened is refused then.
      if (!this.#isProxyAway) logger.warn({ err: error }, "the network-proxy does not say what it offers");
      this.#isProxyAway = true;
    }
  }
}

function isSame(one: NodeNetwork, other: NodeNetwork): boolean {
  const isListed = one.modes.length === other.modes.length && one.modes.every((mode) => other.modes.includes(mode));
  return isListed && one.policyDigest === other.policyDigest && one.problem === other.problem;
}

interface WatchParts {
  readonly executors: ReadonlyMap<EngineName, Executor>;
  readonly doors: DoorPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

const POLICY_TIMEOUT_MS = 2_000;
