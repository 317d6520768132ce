import { DomainError, type EngineName } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { refusalOf, shortfallOf, type Bid, type Refusal } from "../domain/bid.ts";
import type { Capacity } from "../domain/capacity.ts";
import type { Clock, Executor, InputPort, JobTask } from "../ports.ts";
import type { EngineWatch } from "./engine-watch.ts";

export interface Ask {
  readonly askId: string;
  readonly job: JobTask;
  /** Partitions wanted from this node. */
  readonly partitions: number;
}

/** Answers asks: what would it cost here, and how many partitions fit. Offers hold their capacity for the bid window. */
export class Bidding {
  readonly #parts: BiddingParts;

  constructor(parts: BiddingParts) {
    this.#parts = parts;
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

  async #costOf({ job: { task } }: Ask): Promise<Cost> {
    const { engines, executors, inputs, capacity } = this.#parts;
    const refusal = refusalOf(task, { engines: engines.engines, networkModes: engines.networkModes, total: capacity.total });
    if (refusal !== undefined) return refusal;
    const signal = AbortSignal.timeout(COST_TIMEOUT_MS);
    try {
      const [image, estimate] = await Promise.all([
        executors.get(task.engine.name)?.checkImage(task.engine),
        task.inputs.length === 0 ? { missingBytes: 0 } : inputs.estimate(task.inputs, signal),
      ]);
      return { missingBytes: estimate.missingBytes, isImageMissing: image?.isPresent === false };
    } catch (error) {
      return this.#costAfter(error);
    }
  }

  /** A clear no refuses; not knowing the cost does not. */
  #costAfter(error: unknown): Cost {
    if (error instanceof DomainError && (error.kind === "forbidden" || error.kind === "invalid" || error.kind === "notFound")) {
      return { reason: error.reason, message: error.message };
    }
    this.#parts.logger.warn({ err: error }, "the cost of a task is not known, bidding without");
    return { missingBytes: 0, isImageMissing: false };
  }
}

type Cost = Refusal | { readonly missingBytes: number; readonly isImageMissing: boolean };

interface BiddingParts {
  readonly engines: EngineWatch;
  readonly executors: ReadonlyMap<EngineName, Executor>;
  readonly inputs: InputPort;
  readonly capacity: Capacity;
  readonly queuedExecutions: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Within the scheduler's bid window. */
const COST_TIMEOUT_MS = 1_000;
