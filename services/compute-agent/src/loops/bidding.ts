import { DomainError, type EngineName, type Network } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { refusalAfter, refusalOf, shortfallOf, type Bid, type Refusal } from "../domain/bid.ts";
import type { Capacity } from "../domain/capacity.ts";
import type { Clock, DoorPort, Executor, InputPort, JobTask, ResultPort } from "../ports.ts";
import { conflictRefusal } from "./guard-local-paths.ts";
import type { HeldExecutions } from "./held-executions.ts";
import type { OfferWatch } from "./offer-watch.ts";
import { TargetChecks } from "./target-checks.ts";

export interface Ask {
  readonly askId: string;
  readonly job: JobTask;
  /** Partitions wanted from this node. */
  readonly partitions: number;
}

/** Answers asks: what would it cost here, and how many partitions fit. Offers hold their capacity for the bid window. */
export class Bidding {
  readonly #parts: BiddingParts;
  readonly #targets: TargetChecks;

  constructor(parts: BiddingParts) {
    this.#parts = parts;
    this.#targets = new TargetChecks(parts);
  }

  /** In the order of the asks; earlier asks get capacity first. */
  async answer(asks: readonly Ask[], bidWindowMs: number): Promise<readonly Bid[]> {
    const costs = await Promise.all(asks.map((ask) => this.#costOf(ask)));
    return asks.map((ask, index) => this.#bid(ask, costs[index], bidWindowMs));
  }

  #bid({ askId, job: { task }, partitions }: Ask, cost: Cost | undefined, bidWindowMs: number): Bid {
    const { capacity, clock, queuedExecutions } = this.#parts;
    const base = { askId, missingBytes: 0, isImageMissing: false, queuedExecutions: queuedExecutions() };
    if (cost === undefined || "reason" in cost) return { ...base, partitions: 0, reason: cost?.reason, message: cost?.message ?? "" };
    const nowMs = clock.nowMs();
    const free = capacity.free(nowMs);
    const fitting = capacity.reserve(askId, { need: task.resources, partitions, expiresAtMs: nowMs + bidWindowMs }, nowMs);
    const shortfall = shortfallOf(task, { wanted: partitions, fitting, free });
    return { ...base, ...cost, partitions: fitting, reason: shortfall?.reason, message: shortfall?.message ?? "" };
  }

  async #costOf({ job: { task, partitionCount } }: Ask): Promise<Cost> {
    const { offers, capacity } = this.#parts;
    const refusal = refusalOf(task, { engines: offers.engines, networkModes: offers.network.modes, total: capacity.total });
    if (refusal !== undefined) return refusal;
    const conflict = conflictRefusal(task, this.#parts.held);
    if (conflict !== undefined) return conflict;
    const signal = AbortSignal.timeout(COST_TIMEOUT_MS);
    const [door, target, cost] = await Promise.all([
      this.#refusalOfDoor(task.network, signal),
      this.#targets.refusalOf(task.publisher, signal),
      this.#costOfData({ task, partitionCount }, signal),
    ]);
    return door ?? target ?? cost;
  }

  /** The list itself is the proxy's, so it is asked; a task without a network costs it nothing. */
  async #refusalOfDoor(network: Network, signal: AbortSignal): Promise<Refusal | undefined> {
    if (network.mode === "none") return undefined;
    try {
      await this.#parts.doors.check(network, signal);
      return undefined;
    } catch (error) {
      if (error instanceof DomainError && (error.kind === "precondition" || error.kind === "invalid")) {
        return refusalAfter(error);
      }
      this.#parts.logger.warn({ err: error }, "the network-proxy does not say whether it would open a door");
      return { reason: "DOOR_FAILED", message: "the node's network-proxy does not answer" };
    }
  }

  async #costOfData({ task, partitionCount }: Pick<JobTask, "task" | "partitionCount">, signal: AbortSignal): Promise<Cost> {
    const { executors, inputs } = this.#parts;
    try {
      const [image, estimate] = await Promise.all([
        executors.get(task.engine.name)?.checkImage(task.engine),
        task.inputs.length === 0 ? { missingBytes: 0 } : inputs.estimate(task.inputs, partitionCount, signal),
      ]);
      return { missingBytes: estimate.missingBytes, isImageMissing: image?.isPresent === false };
    } catch (error) {
      return this.#costAfter(error);
    }
  }

  /** A clear no refuses; not knowing the cost does not. */
  #costAfter(error: unknown): Cost {
    if (error instanceof DomainError && (error.kind === "forbidden" || error.kind === "invalid" || error.kind === "notFound")) {
      return refusalAfter(error);
    }
    this.#parts.logger.warn({ err: error }, "the cost of a task is not known, bidding without");
    return { missingBytes: 0, isImageMissing: false };
  }
}

type Cost = Refusal | { readonly missingBytes: number; readonly isImageMissing: boolean };

interface BiddingParts {
  readonly held: HeldExecutions;
  readonly offers: OfferWatch;
  readonly executors: ReadonlyMap<EngineName, Executor>;
  readonly inputs: InputPort;
  readonly results: ResultPort;
  readonly doors: DoorPort;
  readonly capacity: Capacity;
  readonly queuedExecutions: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Within the scheduler's bid window. */
const COST_TIMEOUT_MS = 1_000;
