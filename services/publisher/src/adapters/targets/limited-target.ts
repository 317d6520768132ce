import { DomainError, hasReason } from "@skrei/domain";
import type { DeliveryTarget } from "../../domain/delivery-target.ts";
import type { Delivery, TargetPort } from "../../ports.ts";

/**
 * Lets so many deliveries run at a time: each takes tens of MiB of memory, and results wait without number while a target is slow. Who
 * waits when one finds the target away hears the same, so that it can be told, and tries again later.
 */
export class LimitedTarget<Target extends DeliveryTarget> implements TargetPort<Target> {
  readonly #port: TargetPort<Target>;
  readonly #waiting = new Set<PromiseWithResolvers<void>>();
  #free: number;

  constructor(port: TargetPort<Target>, atOnceMax: number) {
    this.#port = port;
    this.#free = atOnceMax;
  }

  check(target: Target): void {
    this.#port.check(target);
  }

  async deliver(delivery: Delivery<Target>, signal: AbortSignal): Promise<string> {
    this.check(delivery.target);
    await this.#takeSlot(signal);
    try {
      return await this.#port.deliver(delivery, signal);
    } catch (error) {
      if (hasReason(error, "TARGET_UNAVAILABLE")) this.#refuseWaiting(error);
      throw error;
    } finally {
      this.#giveSlot();
    }
  }

  async #takeSlot(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const leave = (): void => {
      if (this.#waiting.delete(turn)) turn.reject(signal.reason as Error);
    };
    this.#waiting.add(turn);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #giveSlot(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next.resolve();
  }

  #refuseWaiting({ kind, reason, message, metadata }: DomainError): void {
    for (const turn of this.#waiting) turn.reject(new DomainError(kind, reason, message, { metadata }));
    this.#waiting.clear();
  }
}
