import {
  DomainError,
  addResources,
  hasReason,
  heldDigest,
  isExecutionEnded,
  NO_RESOURCES,
  subtractResources,
  timesFitting,
} from "@skrei/domain";
import type {
  ExecutionId,
  ExecutionReport,
  ExecutionState,
  Failure,
  NetworkUse,
  NodeId,
  NodeNetwork,
  Reason,
  Resources,
} from "@skrei/domain";
import type { Ask, Assignment, AssignmentSet, Bid, JoinCommand, LeaderCommands } from "../../services/scheduler/src/ports.ts";
import type { LossyNetwork } from "./lossy-network.ts";
import { countRequest, judgeNetwork, NO_USE, offerOf } from "./sim-network.ts";
import type { SeededChance } from "./seeded-chance.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface SimWorld {
  readonly clock: VirtualClock;
  readonly chance: SeededChance;
  readonly network: LossyNetwork;
  /** Whatever scheduler the call happens to reach. */
  readonly scheduler: () => LeaderCommands;
}

export interface SimAgentOptions {
  readonly id: NodeId;
  readonly name: string;
  readonly capacity: Resources;
  readonly labels?: Readonly<Record<string, string>>;
  /** Probabilities of an execution. */
  readonly rejects?: number;
  readonly fails?: number;
  readonly taskMsMax?: number;
  /** It bids for nothing, for this reason. */
  readonly refuses?: Reason;
  /** The list of its proxy; without one it offers mode none alone. */
  readonly allows?: readonly string[];
}

interface Held {
  assignment: Assignment;
  state: ExecutionState;
  exitCode?: number;
  failure?: Failure;
  use?: NetworkUse;
  isReported: boolean;
}

/** An agent as the contract describes it, with tasks that only take time. What survives a crash is its journal: `held`. */
export class SimAgent {
  readonly options: SimAgentOptions;
  readonly #world: SimWorld;
  #held = new Map<ExecutionId, Held>();
  #reservations = new Map<string, { size: Resources; partitions: number; untilMs: number }>();
  #session = "";
  #appliedToken = "";
  #owesComplete = false;
  #network: NodeNetwork;
  /** Rises with each start; what an earlier life began does not go on. */
  #life = 0;
  isUp = false;
  /** How often it was told everything anew. */
  completeSets = 0;

  constructor(options: SimAgentOptions, world: SimWorld) {
    this.options = options;
    this.#world = world;
    this.#network = offerOf(options.allows);
  }

  start(): void {
    this.isUp = true;
    const life = ++this.#life;
    this.#appliedToken = "";
    this.#reservations.clear();
    void this.#live(life);
    void this.#reportLoop(life);
  }

  /** The operator changes the list of its proxy: a heartbeat says so at once. */
  allow(domains: readonly string[] | undefined): void {
    this.#network = offerOf(domains);
    if (this.#session !== "") void this.#beat(this.#life).catch(() => undefined);
  }

  /** The process is gone; with `isJournalLost`, so is its disk. */
  kill(isJournalLost: boolean): void {
    this.isUp = false;
    this.#life++;
    this.#session = "";
    if (isJournalLost) this.#held.clear();
    // A run cannot be taken up again by this agent: it ends as a failure of the node.
    for (const held of this.#held.values()) {
      if (isExecutionEnded(held.state)) continue;
      held.state = held.state === "assigned" || held.state === "preparing" ? "rejected" : "failed";
      held.failure = { class: "infrastructure", reason: "AGENT_RESTARTED", message: "The agent was killed.", hint: "" };
      held.isReported = false;
    }
  }

  ask(session: string, asks: readonly Ask[], bidWindowMs: number): readonly Bid[] {
    this.#refuseForeign(session);
    return asks.map(({ askId, job, partitions }) => {
      const size = job.task.resources;
      const { refuses: reason } = this.options;
      const none = { missingBytes: 0, isImageMissing: false, queuedExecutions: 0 };
      if (reason !== undefined) return { ...none, askId, partitions: 0, reason, message: `refused: ${reason}` };
      const refusal = judgeNetwork(this.#network, job.task.network);
      if (refusal !== undefined) return { ...none, askId, partitions: 0, ...refusal };
      const taken = timesFitting(size, this.#free(), partitions);
      if (taken > 0) this.#reservations.set(askId, { size, partitions: taken, untilMs: this.#world.clock.nowMs() + bidWindowMs * 2 });
      const missingBytes = this.#world.chance.between(0, 3) * 1_000_000;
      return {
        askId,
        partitions: taken,
        reason: taken < partitions ? "CAPACITY_BUSY" : undefined,
        message: taken < partitions ? "the node is busy" : "",
        missingBytes,
        isImageMissing: false,
        queuedExecutions: 0,
      };
    });
  }

  assign(session: string, set: AssignmentSet): string {
    this.#refuseForeign(session);
    if (!set.isComplete && set.appliesTo !== this.#appliedToken) return this.#appliedToken;
    if (set.isComplete) this.completeSets++;
    const listed = new Set(set.assignments.map(({ executionId }) => executionId));
    if (set.isComplete) for (const id of this.#held.keys()) if (!listed.has(id)) this.#held.delete(id);
    for (const assignment of set.assignments) this.#take(assignment);
    for (const id of set.releasedExecutionIds) this.#held.delete(id);
    for (const askId of set.releasedAskIds) this.#reservations.delete(askId);
    this.#appliedToken = set.resultsIn;
    return this.#appliedToken;
  }

  /** What its tasks hold, in all; a result on its way to its target leaves its room to others. */
  load(): Resources {
    let load = NO_RESOURCES;
    for (const { assignment, state } of this.#held.values())
      if (!isExecutionEnded(state) && state !== "publishing") load = addResources(load, assignment.job.task.resources);
    return load;
  }

  get running(): readonly ExecutionId[] {
    return [...this.#held].flatMap(([id, { state }]) => (isExecutionEnded(state) ? [] : [id]));
  }

  async #live(life: number): Promise<void> {
    while (life === this.#life) {
      try {
        if (this.#session === "") await this.#join(life);
        else await this.#beat(life);
      } catch (error) {
        if (hasReason(error, "SESSION_ENDED") && life === this.#life) this.#session = "";
        else if (!(error instanceof DomainError)) throw error;
      }
      await this.#pause(this.#session === "" ? 500 : 2_000);
    }
  }

  async #join(life: number): Promise<void> {
    const { id, name, capacity, labels = {} } = this.options;
    const described = { name, labels: { name, ...labels }, capacity, version: "sim", publicKeyBase64: `key of ${id}` };
    const command: JoinCommand = { joinToken: "t", nodeId: id, engines: ENGINES, network: this.#network, ...described };
    const node = await this.#world.network.call(() => this.#world.scheduler().join(command));
    if (life !== this.#life) return;
    this.#session = node.session;
    this.#appliedToken = "";
    this.#owesComplete = true;
  }

  async #beat(life: number): Promise<void> {
    const held = [...this.#held].filter(([, { state }]) => !isExecutionEnded(state));
    const digest = heldDigest(held.map(([id, { assignment, state }]) => ({ id, epoch: assignment.epoch, state })));
    const beat = {
      nodeId: this.options.id,
      session: this.#session,
      appliedToken: this.#appliedToken,
      heldDigest: digest,
      engines: ENGINES,
      network: this.#network,
      executions: held.length,
    };
    const { reportsAll } = await this.#world.network.call(() => this.#world.scheduler().heartbeat(beat));
    if (life === this.#life && reportsAll) this.#owesComplete = true;
  }

  async #reportLoop(life: number): Promise<void> {
    while (life === this.#life) {
      await this.#pause(20);
      if (life !== this.#life || this.#session === "") continue;
      try {
        await this.#report(life);
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
      }
    }
  }

  async #report(life: number): Promise<void> {
    const isComplete = this.#owesComplete;
    const session = this.#session;
    const due = [...this.#held].filter(([, held]) => isComplete || !held.isReported);
    if (due.length === 0 && !isComplete) return;
    const reports = due.map(([executionId, held]) => reportOf(executionId, held));
    await this.#world.network.call(() => this.#world.scheduler().report({ nodeId: this.options.id, session, reports, isComplete }));
    if (life !== this.#life) return;
    if (isComplete && session === this.#session) this.#owesComplete = false;
    for (const [i, [, held]] of due.entries()) held.isReported ||= isAsReported(held, reports[i]);
  }

  #take(assignment: Assignment): void {
    const known = this.#held.get(assignment.executionId);
    const reservation = this.#reservations.get(assignment.askId);
    if (known === undefined && reservation !== undefined) reservation.partitions--;
    if (known !== undefined) {
      known.assignment = assignment;
      return;
    }
    const held: Held = { assignment, state: "assigned", isReported: false };
    this.#held.set(assignment.executionId, held);
    void this.#execute(held, this.#life);
  }

  async #execute(held: Held, life: number): Promise<void> {
    const { chance } = this.#world;
    const { rejects = 0, fails = 0, taskMsMax = 2_000 } = this.options;
    if (await this.#isOver(held, life, chance.between(0, 3))) return;
    if (chance.happens(rejects)) return this.#move(held, "rejected", { failure: NO_IMAGE });
    this.#move(held, "preparing");
    if (await this.#isOver(held, life, chance.between(1, 50))) return;
    this.#move(held, "running");
    for (let left = chance.between(10, taskMsMax); left > 0; left -= 100) {
      if (await this.#isOver(held, life, Math.min(left, 100))) return;
      this.#request(held);
    }
    if (chance.happens(fails)) return this.#move(held, "failed", { exitCode: 3, failure: EXIT_3 });
    held.exitCode = 0;
    await this.#offer(held, life);
  }

  async #offer(held: Held, life: number): Promise<void> {
    for (const state of ["proposing", "publishing"] as const) {
      this.#move(held, state);
      if (await this.#isOver(held, life, this.#world.chance.between(1, 30))) return;
    }
    this.#move(held, "completed");
  }

  /** After a while: true when the execution was stopped, forgotten or killed meanwhile. */
  async #isOver(held: Held, life: number, delayMs: number): Promise<boolean> {
    await this.#pause(delayMs);
    const { executionId, desired } = held.assignment;
    if (life !== this.#life || this.#held.get(executionId) !== held || isExecutionEnded(held.state)) return true;
    if (desired === "stop") this.#move(held, "cancelled");
    return desired === "stop";
  }

  /** What its task asks of the proxy: a host of its list, or one that is on none. */
  #request(held: Held): void {
    const { chance } = this.#world;
    const [listed] = held.assignment.job.task.network.domains;
    if (listed === undefined) return;
    const isAllowed = chance.happens(0.7);
    held.use = countRequest(held.use ?? NO_USE, isAllowed ? listed : `h${String(chance.between(1, 3))}.elsewhere.example`, isAllowed);
    held.isReported = false;
  }

  #move(held: Held, state: ExecutionState, facts: { exitCode?: number; failure?: Failure } = {}): void {
    Object.assign(held, facts, { state, isReported: false });
  }

  #free(): Resources {
    let free = subtractResources(this.options.capacity, this.load());
    for (const [askId, { size, partitions, untilMs }] of this.#reservations) {
      if (untilMs < this.#world.clock.nowMs()) this.#reservations.delete(askId);
      else for (let i = 0; i < partitions; i++) free = subtractResources(free, size);
    }
    return free;
  }

  #refuseForeign(session: string): void {
    if (!this.isUp) throw new DomainError("unavailable", "NO_RESPONDER", "Nobody serves this node.");
    if (session !== this.#session) throw new DomainError("precondition", "SESSION_ENDED", "Another session.");
  }

  #pause(delayMs: number): Promise<void> {
    return this.#world.clock.sleep(delayMs, NEVER);
  }
}

function reportOf(executionId: ExecutionId, { assignment, state, exitCode, failure, use }: Held): ExecutionReport {
  const isOffered = state === "proposing" || state === "publishing" || state === "completed";
  return {
    executionId,
    epoch: assignment.epoch,
    state,
    ...(exitCode !== undefined && { exitCode }),
    ...(failure !== undefined && { failure }),
    ...(use !== undefined && { networkUse: use }),
    ...(isOffered && { resultCid: `cid-${executionId}` }),
    ...dataOf(state),
  };
}

/** Inputs are slow, and the target of the result is away for a while. */
function dataOf(state: ExecutionState): Pick<ExecutionReport, "inputs" | "transfer"> {
  if (state === "preparing") return { transfer: { kind: "inputs", bytesDone: 1, bytesTotal: 2 } };
  const inputs = [{ target: "/in", digest: "cid:x", sizeBytes: 2, movedBytes: 2 }];
  if (state !== "publishing") return { inputs };
  const waiting = { reason: "TARGET_UNAVAILABLE", message: "The target does not answer.", sinceMs: 0 } as const;
  return { inputs, transfer: { kind: "result", bytesDone: 0, bytesTotal: 0, waiting } };
}

function isAsReported({ state, use }: Held, report: ExecutionReport | undefined): boolean {
  return state === report?.state && use === report.networkUse;
}

const ENGINES = [{ name: "wasm", version: "sim", isAvailable: true, message: "" }] as const;
const NO_IMAGE: Failure = { class: "infrastructure", reason: "IMAGE_PULL_FAILED", message: "No image.", hint: "" };
const EXIT_3: Failure = { class: "user", reason: "EXIT_NONZERO", message: "Exit code 3.", hint: "" };
const NEVER = new AbortController().signal;
