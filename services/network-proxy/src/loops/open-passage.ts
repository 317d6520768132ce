import type { Logger } from "@skrei/platform/logger.ts";
import type { Denial, EgressTarget } from "../domain/decide-egress.ts";
import type { ByteCount } from "../domain/use-count.ts";
import type { Allowance, AskedFor, Passage } from "../ports.ts";
import type { OpenDoor } from "./open-door.ts";

export interface OpenPassageOptions {
  readonly door: OpenDoor;
  readonly allowance: Allowance;
  readonly asked: AskedFor;
  readonly bytes: ByteCount;
  readonly onRevoked: (denial: Denial) => void;
  readonly onCounted: (isUrgent: boolean) => void;
  readonly onEnded: () => void;
  readonly logger: Logger;
}

/** One request or tunnel that was let through, with its bytes. */
export class OpenPassage implements Passage {
  readonly #options: OpenPassageOptions;
  readonly #startedAtMs = performance.now();
  #bytesUp = 0;
  #bytesDown = 0;
  #failure: Denial | undefined;
  #isCut = false;
  #hasEnded = false;

  constructor(options: OpenPassageOptions) {
    this.#options = options;
  }

  get target(): EgressTarget {
    return this.#options.asked.target;
  }

  get allowance(): Allowance {
    return this.#options.allowance;
  }

  send(bytes: number): Denial | undefined {
    const { door, allowance } = this.#options;
    const denial = door.quotaDenial(allowance.host, bytes);
    if (denial !== undefined) return denial;
    this.#bytesUp += bytes;
    this.#options.bytes.addSent(bytes);
    this.#options.onCounted(false);
    return undefined;
  }

  receive(bytes: number): void {
    this.#bytesDown += bytes;
    this.#options.bytes.addReceived(bytes);
    this.#options.onCounted(false);
  }

  fail(denial: Denial, { isCounted }: { readonly isCounted: boolean }): void {
    if (this.#hasEnded || this.#failure !== undefined) return;
    this.#failure = denial;
    this.#isCut = isCounted;
    const { door, onCounted } = this.#options;
    if (isCounted) onCounted(door.count.deny(denial));
    else {
      door.count.fail(denial);
      onCounted(false);
    }
  }

  revoke(denial: Denial): void {
    this.#options.onRevoked(denial);
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#options.onEnded();
    const { door, allowance, asked, logger } = this.#options;
    const { host, jobRule, nodeRule, addressClass } = allowance;
    logger.info(
      {
        event: "egress.decided",
        executionId: door.executionId,
        verdict: this.#isCut ? "cut" : "allow",
        ...(this.#failure !== undefined && { reason: this.#failure.reason, hint: this.#failure.message }),
        host,
        port: asked.target.port,
        method: asked.method,
        rule: jobRule,
        nodeRule,
        addressClass,
        bytesUp: this.#bytesUp,
        bytesDown: this.#bytesDown,
        durationMs: Math.round(performance.now() - this.#startedAtMs),
      },
      "egress decided",
    );
  }
}
