import { type CanonicalHost, canonicalHost, parseHostRule } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { Denial, DoorRules, EgressTarget } from "../domain/decide-egress.ts";
import { deny, printable } from "../domain/denial.ts";
import type { NetworkPolicy } from "../domain/network-policy.ts";
import { quotaDenial } from "../domain/quota-denial.ts";
import { RateBucket } from "../domain/rate-bucket.ts";
import { UseCount } from "../domain/use-count.ts";
import type { Allowance, AskedFor, DoorLimits, DoorRecord, EgressVerdict, OwnAddresses, Passage, Resolver, ServedDoor } from "../ports.ts";
import type { EgressGate } from "./egress-gate.ts";
import { OpenPassage } from "./open-passage.ts";
import { ReservedAddresses } from "./reserved-addresses.ts";

export interface OpenDoorOptions {
  readonly gate: EgressGate;
  readonly policy: () => NetworkPolicy;
  readonly resolver: Resolver;
  readonly ownAddresses: OwnAddresses;
  readonly logger: Logger;
  /** Something was counted; `isUrgent` for the first refusal of a host for a reason. */
  readonly onCounted: (isUrgent: boolean) => void;
}

/** A door while it is open: what it lets through, and what has gone through it. */
export class OpenDoor implements ServedDoor {
  readonly record: DoorRecord;
  readonly rules: DoorRules;
  readonly reserved: ReservedAddresses;
  readonly count: UseCount;
  readonly up: RateBucket;
  readonly down: RateBucket;
  readonly #options: OpenDoorOptions;
  readonly #passages = new Set<OpenPassage>();
  /** Most of the time that is: names that are being looked up. */
  #deciding = 0;

  constructor(record: DoorRecord, options: OpenDoorOptions) {
    this.record = record;
    this.#options = options;
    this.rules = rulesOf(record);
    this.reserved = new ReservedAddresses(this.rules.clusterHosts, options);
    this.count = new UseCount(record.use);
    const { rateBitsPerSecond } = options.policy();
    this.up = new RateBucket(rateBitsPerSecond);
    this.down = new RateBucket(rateBitsPerSecond);
  }

  get executionId(): string {
    return this.record.executionId;
  }

  get secret(): string {
    return this.record.secret;
  }

  get limits(): DoorLimits {
    return this.#options.policy();
  }

  /** Requests and tunnels that are under way. */
  get passages(): number {
    return this.#passages.size;
  }

  async decide(target: EgressTarget): Promise<EgressVerdict> {
    if (this.#deciding >= DECIDING_MAX) return tooManyNames(target);
    this.#deciding += 1;
    try {
      const { verdict } = await this.#options.gate.decide(this, target);
      return verdict.verdict === "deny" ? verdict : (this.quotaDenial(verdict.host, 1) ?? verdict);
    } finally {
      this.#deciding -= 1;
    }
  }

  admit(allowance: Allowance, asked: AskedFor, onRevoked: (denial: Denial) => void): Passage {
    const bytes = this.count.allow(allowance.host, allowance.jobRule);
    this.#options.onCounted(false);
    const passage = new OpenPassage({
      door: this,
      allowance,
      asked,
      bytes,
      onRevoked,
      logger: this.#options.logger,
      onCounted: this.#options.onCounted,
      onEnded: () => void this.#passages.delete(passage),
    });
    this.#passages.add(passage);
    return passage;
  }

  refuse(denial: Denial, { method, port }: { readonly method: string; readonly port: number }): void {
    const { host, reason, message } = denial;
    const isUrgent = this.count.deny(denial);
    const { executionId } = this;
    this.#options.logger.info(
      { event: "egress.decided", executionId, verdict: "deny", reason, host, port, method, hint: message },
      "egress decided",
    );
    this.#options.onCounted(isUrgent);
  }

  /** After a change of policy: the new rate counts from the next slice on, and what would be refused now is cut. */
  review(): void {
    const { rateBitsPerSecond } = this.#options.policy();
    this.up.setRate(rateBitsPerSecond);
    this.down.setRate(rateBitsPerSecond);
    for (const passage of this.#passages) {
      const denial = this.#options.gate.review(this, passage.target, passage.allowance);
      if (denial !== undefined) passage.revoke(denial);
    }
  }

  /** When `bytes` more would be too many. */
  quotaDenial(host: string, bytes: number): Denial | undefined {
    const { egressBytesMax: nodeMax } = this.#options.policy();
    const { egressBytesMax: jobMax } = this.record.network;
    return quotaDenial(host, { jobMax, nodeMax, sentBytes: this.count.sentBytes, bytes });
  }
}

/** Where the cluster's own services are. */
export function clusterHostsOf(clusterUrls: readonly string[]): readonly CanonicalHost[] {
  return clusterUrls.flatMap((url) => canonicalHost(URL.parse(url)?.hostname ?? "") ?? []);
}

/** Of one execution at once: names whose servers do not answer must not keep those of others from being asked for. */
const DECIDING_MAX = 128;

function tooManyNames({ host }: EgressTarget): Denial {
  const name = printable(host);
  return deny(name, "EGRESS_NAME_UNRESOLVED", {
    message: `${name} was not looked up: ${DECIDING_MAX} other names of this execution are being asked for.`,
    hint: "Try again in a moment.",
  });
}

function rulesOf({ network, clusterUrls }: DoorRecord): DoorRules {
  return { mode: network.mode, rules: network.domains.map(parseHostRule), clusterHosts: clusterHostsOf(clusterUrls) };
}
