import { DomainError, newNodeId } from "@skrei/domain";
import type { Job, JobSpec, NodeId, Resources } from "@skrei/domain";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createSqliteStateStore } from "../../services/scheduler/src/adapters/sqlite-state-store.ts";
import { createLeader } from "../../services/scheduler/src/loops/leader.ts";
import type { Leader } from "../../services/scheduler/src/loops/leader.ts";
import type { LeaderOptions } from "../../services/scheduler/src/loops/term-context.ts";
import type { AgentPort, LeaderCommands, StateStore } from "../../services/scheduler/src/ports.ts";
import { LossyNetwork } from "./lossy-network.ts";
import { SeededChance } from "./seeded-chance.ts";
import { SimAgent } from "./sim-agent.ts";
import type { SimAgentOptions } from "./sim-agent.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { Truth, watchedStore } from "./watched-store.ts";

interface Scheduler {
  readonly leader: Leader;
  readonly stop: AbortController;
  isDead: boolean;
}

const SIM_OPTIONS: LeaderOptions = {
  heartbeatIntervalMs: 2_000,
  heartbeatTimeoutMs: 8_000,
  bidWindowMs: 500,
  bidFanout: 3,
  tickIntervalMs: 2,
  sweepIntervalMs: 5_000,
  leaseTtlMs: 3_000,
  jobRetentionMs: 7 * 86_400_000,
  nodeRetentionMs: 7 * 86_400_000,
  approvesNodes: true,
};

/** Real schedulers and a real store, in virtual time with simulated agents and a seeded network. */
export class SimCluster {
  readonly clock = new VirtualClock();
  readonly chance: SeededChance;
  readonly network: LossyNetwork;
  readonly truth = new Truth();
  readonly storeFaults = { failBefore: 0, failAfter: 0 };
  readonly agents = new Map<NodeId, SimAgent>();
  readonly schedulers: Scheduler[] = [];
  readonly store: StateStore;
  readonly #options: LeaderOptions;
  #started = 0;
  /** Errors of invariants; thrown by `check`. */
  readonly broken: unknown[] = [];

  constructor(seed: number, options: Partial<LeaderOptions> = {}) {
    this.chance = new SeededChance(seed);
    this.network = new LossyNetwork(this.clock, this.chance);
    this.store = createSqliteStateStore({ path: ":memory:", clock: this.clock });
    this.#options = { ...SIM_OPTIONS, ...options };
  }

  async start(schedulers = 1): Promise<this> {
    await this.store.start();
    for (let i = 0; i < schedulers; i++) this.startScheduler();
    await this.clock.run(10);
    return this;
  }

  startScheduler(): void {
    const holder = `scheduler-${String(++this.#started)}`;
    const stop = new AbortController();
    const faults = this.storeFaults;
    const options = { truth: this.truth, chance: this.chance, faults, isDead: () => scheduler.isDead };
    const parts = {
      options: this.#options,
      store: watchedStore(this.store, options),
      agents: this.#agentPort(() => scheduler.isDead),
      clock: this.clock,
      randomness: this.chance,
      logger: this.#watchingLogger(),
      holder,
    };
    const idle = (): Promise<void> => Promise.resolve();
    const scheduler: Scheduler = { leader: createLeader(parts, { onLead: idle, onStepDown: idle }), stop, isDead: false };
    this.schedulers.push(scheduler);
    void scheduler.leader.run(stop.signal);
  }

  /** kill -9: nothing that it was about to do happens, its lease runs out by itself. */
  crashLeader(): void {
    const index = this.schedulers.findIndex(({ leader }) => leader.isLeading());
    const [scheduler] = this.schedulers.splice(Math.max(0, index), 1);
    if (scheduler === undefined) return;
    scheduler.isDead = true;
    scheduler.stop.abort(new Error("crashed"));
  }

  addAgent(options: Partial<SimAgentOptions> = {}): SimAgent {
    const id = newNodeId({ nowMs: () => this.clock.nowMs(), randomBytes: () => this.chance.randomBytes() });
    const world = { clock: this.clock, chance: this.chance, network: this.network, scheduler: () => this.reach() };
    const agent = new SimAgent({ id, name: `node-${String(this.agents.size + 1)}`, capacity: capacity(4), ...options }, world);
    this.agents.set(id, agent);
    agent.start();
    return agent;
  }

  /** Whatever scheduler a call reaches: the leader, or one that says it does not lead. */
  reach(): LeaderCommands {
    const alive = this.schedulers.find(({ leader }) => leader.isLeading()) ?? this.schedulers[0];
    if (alive === undefined) throw new DomainError("unavailable", "NO_RESPONDER", "No scheduler answers.");
    return alive.leader.commands;
  }

  /** Submits until it is acknowledged, as a client with a request id does. */
  async submit(requestId: string, spec: JobSpec): Promise<Job> {
    for (;;) {
      try {
        const [job] = await this.network.call(() => this.reach().submit([{ requestId, spec }]));
        if (job !== undefined) return job;
      } catch (error) {
        if (!(error instanceof DomainError) || (error.kind !== "unavailable" && error.kind !== "timeout")) throw error;
      }
      await this.clock.sleep(200, NEVER);
    }
  }

  /** Lets virtual time pass; throws as soon as an invariant is broken. */
  async run(forMs: number, isDone?: () => boolean): Promise<boolean> {
    return this.clock.run(forMs, { afterStep: () => this.check(), ...(isDone && { isDone }) });
  }

  check(): void {
    if (this.broken.length > 0) throw this.broken[0];
  }

  async stop(): Promise<void> {
    for (const agent of this.agents.values()) agent.kill(false);
    for (const { stop } of this.schedulers) stop.abort(new Error("stopped"));
    await this.clock.run(100);
    await this.store.stop();
  }

  #agentPort(isDead: () => boolean): AgentPort {
    const reach = <T>(nodeId: NodeId, call: (agent: SimAgent) => T): Promise<T> =>
      this.network.call(() => {
        const agent = this.agents.get(nodeId);
        if (agent === undefined || isDead()) throw new DomainError("unavailable", "NO_RESPONDER", "Nobody serves this node.");
        return call(agent);
      });
    return {
      ask: ({ nodeId, session }, asks, bidWindowMs) => reach(nodeId, (agent) => agent.ask(session, asks, bidWindowMs)),
      assign: ({ nodeId, session }, set) => reach(nodeId, (agent) => agent.assign(session, set)),
      explainEgress: () => Promise.reject(new Error("the simulation has no proxies")),
      describeData: () => Promise.reject(new Error("the simulation has no data")),
      streamLogs: () => {
        throw new Error("the simulation has no logs");
      },
    };
  }

  /** An error line is a broken invariant, or a bug that would otherwise pass in silence. */
  #watchingLogger(): typeof silentLogger {
    return {
      ...silentLogger,
      error: ({ err }) => this.broken.push((err as Error | undefined) ?? new Error("error line")),
      child: () => this.#watchingLogger(),
    };
  }
}

export function capacity(cores: number): Resources {
  return { cpuMillis: cores * 1_000, memoryBytes: cores * 2 ** 30, diskBytes: cores * 10 * 2 ** 30 };
}

const NEVER = new AbortController().signal;
