import { DomainError, type Publisher } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { refusalAfter, type Refusal } from "../domain/bid.ts";
import type { Clock, ResultPort } from "../ports.ts";

interface CheckParts {
  readonly results: ResultPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whether this node publishes to a task's target, remembered briefly: bids are made while somebody waits. */
export class TargetChecks {
  readonly #parts: CheckParts;
  readonly #answers = new Map<string, Answer>();

  constructor(parts: CheckParts) {
    this.#parts = parts;
  }

  /** Only a clear no refuses: a publisher that is away may be back when there is something to publish, and that waits for it. */
  async refusalOf(target: Publisher, signal: AbortSignal): Promise<Refusal | undefined> {
    if (target.type === "default" || target.type === "cluster") return undefined;
    const nowMs = this.#parts.clock.nowMs();
    const key = JSON.stringify(target);
    const known = this.#answers.get(key);
    if (known !== undefined && known.untilMs > nowMs) return await known.refusal;
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear();
    // Asks that come together wait for one call.
    const refusal = this.#ask(target, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]));
    this.#answers.set(key, { refusal, untilMs: nowMs + ANSWER_TTL_MS });
    return await refusal;
  }

  async #ask(target: Publisher, signal: AbortSignal): Promise<Refusal | undefined> {
    try {
      await this.#parts.results.check(target, signal);
      return undefined;
    } catch (error) {
      if (error instanceof DomainError && error.reason === "TARGET_NOT_OFFERED") return refusalAfter(error);
      this.#parts.logger.warn({ err: error }, "the publisher does not say whether it publishes to a target, bidding without");
      return undefined;
    }
  }
}

interface Answer {
  readonly refusal: Promise<Refusal | undefined>;
  readonly untilMs: number;
}

const ANSWER_TTL_MS = 5_000;
/** A small part of the bid window: a publisher that hangs must not cost the node its bids. */
const ANSWER_TIMEOUT_MS = 200;
const ANSWERS_MAX = 256;
