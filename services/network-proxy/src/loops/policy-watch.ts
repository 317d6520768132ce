import { DomainError } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { NetworkPolicy } from "../domain/network-policy.ts";
import type { Clock, LoadedPolicy, PolicySource } from "../ports.ts";

/** The policy in force. A newer one that does not parse is not: the last good one stays, and the problem is told. */
export class PolicyWatch {
  readonly #source: PolicySource;
  readonly #logger: Logger;
  readonly #onChanged: () => void;
  #loaded: LoadedPolicy;
  #problem = "";
  #stamp = "";

  /** @throws DomainError invalid/CONFIG_INVALID: without a first policy there is nothing to go on with. */
  constructor(source: PolicySource, { logger, onChanged }: { readonly logger: Logger; readonly onChanged: () => void }) {
    this.#source = source;
    this.#logger = logger;
    this.#onChanged = onChanged;
    this.#loaded = source.read();
    this.#logLoaded();
  }

  get loaded(): LoadedPolicy {
    return this.#loaded;
  }

  get policy(): NetworkPolicy {
    return this.#loaded.policy;
  }

  /** What is wrong with the newest text; empty if nothing is. */
  get problem(): string {
    return this.#problem;
  }

  /** Looks for changes until the signal ends it. */
  async run({ clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }): Promise<void> {
    this.#stamp = await this.#source.stamp();
    // It may have changed since it was read first.
    this.reload();
    let seen = this.#stamp;
    for (let looks = 0; !signal.aborted;) {
      await clock.sleep(looks === 0 ? POLL_MS : SETTLE_MS, signal).catch(() => undefined);
      const stamp = await this.#source.stamp();
      if (signal.aborted) return;
      // Half of a file may be a policy as well, and another one; what is being written is read once it rests.
      const isResting = stamp === seen || looks === LOOKS_MAX;
      seen = stamp;
      looks = isResting ? 0 : looks + 1;
      if (!isResting || stamp === this.#stamp) continue;
      this.#stamp = stamp;
      this.reload();
    }
  }

  /** Reads the policy again now; who asked for it is told even when nothing has changed. Never throws. */
  reload({ isAsked = false }: { readonly isAsked?: boolean } = {}): void {
    try {
      const loaded = this.#source.read();
      const isChanged = loaded.digest !== this.#loaded.digest;
      const isNews = isChanged || this.#problem !== "" || isAsked;
      this.#problem = "";
      this.#loaded = isChanged ? loaded : this.#loaded;
      if (isNews) this.#logLoaded();
      if (isChanged) this.#onChanged();
    } catch (error) {
      this.#problem = problemOf(error);
      // What a person wrote is wrong, and is said in words; the stack is of no use.
      this.#logger.error({ event: "policy.rejected", reason: "CONFIG_INVALID", hint: this.#problem }, "the new policy is not in force");
    }
  }

  #logLoaded(): void {
    const { policy, digest, domains } = this.#loaded;
    this.#logger.info({ event: "policy.loaded", rule: policy.modes.join(", "), count: domains.length, digest }, "network policy in force");
  }
}

/** Both together are within the second that is promised. */
const POLL_MS = 800;
const SETTLE_MS = 100;
/** One that never rests is read all the same. */
const LOOKS_MAX = 10;
const PROBLEM_LENGTH_MAX = 1_000;

function problemOf(error: unknown): string {
  if (!(error instanceof DomainError)) return String(error).slice(0, PROBLEM_LENGTH_MAX);
  const problems = error.violations.map(({ field, message }) => `${field}: ${message}`);
  return [error.message, ...problems].join("; ").slice(0, PROBLEM_LENGTH_MAX);
}
