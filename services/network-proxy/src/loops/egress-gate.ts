import { type CanonicalHost, classifyAddress, DomainError, formatHost } from "@skrei/domain";
import {
  decideAddresses,
  decideTarget,
  type Denial,
  type DoorRules,
  type EgressTarget,
  type HostDecision,
} from "../domain/decide-egress.ts";
import { deny } from "../domain/denial.ts";
import type { NetworkPolicy } from "../domain/network-policy.ts";
import type { Allowance, EgressVerdict, Resolver } from "../ports.ts";
import type { ReservedAddresses } from "./reserved-addresses.ts";

export interface GateOptions {
  readonly resolver: Resolver;
  /** In force now. */
  readonly policy: () => NetworkPolicy;
}

export interface GatedDoor {
  readonly rules: DoorRules;
  readonly reserved: ReservedAddresses;
}

/** The verdict, with the addresses of the name as far as they came to be known. */
export interface GateAnswer {
  readonly verdict: EgressVerdict;
  readonly addresses: readonly string[];
  /** Those that match, even when something else forbids it; empty when none does. */
  readonly jobRule: string;
  readonly nodeRule: string;
}

/** Everything that is asked before a request goes out: the host, what its name leads to, and both against the policy of now. */
export class EgressGate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  async decide({ rules, reserved }: GatedDoor, target: EgressTarget): Promise<GateAnswer> {
    const policyBefore = this.#options.policy();
    const asked = decideNamed(rules, policyBefore, target);
    if (asked.verdict === "deny") return { verdict: asked, addresses: [], jobRule: "", nodeRule: "" };
    const [addresses, ownAddresses] = await Promise.all([this.#addressesOf(asked.host), reserved.current()]);
    const { jobRule, nodeRule } = asked;
    if ("verdict" in addresses) return { verdict: addresses, addresses: [], jobRule, nodeRule };
    // The policy may have been replaced while the name was looked up.
    const policy = this.#options.policy();
    const named = policy === policyBefore ? asked : decideNamed(rules, policy, target);
    if (named.verdict === "deny") return { verdict: named, addresses, jobRule, nodeRule };
    const checked = decideAddresses({ policy, host: named.host, addresses, ownAddresses });
    return { verdict: checked.verdict === "deny" ? checked : allowance(named, checked.addresses), addresses, jobRule, nodeRule };
  }

  /** Would something that was let through be refused now? Without looking names up again. */
  review({ rules, reserved }: GatedDoor, target: EgressTarget, { addresses }: Allowance): Denial | undefined {
    const policy = this.#options.policy();
    const named = decideNamed(rules, policy, target);
    if (named.verdict === "deny") return named;
    const checked = decideAddresses({ policy, host: named.host, addresses, ownAddresses: reserved.known() });
    return checked.verdict === "deny" ? checked : undefined;
  }

  async #addressesOf(host: CanonicalHost): Promise<readonly string[] | Denial> {
    if (host.kind === "address") return [host.address];
    try {
      return await this.#options.resolver.resolve(host.host);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const { reason, message, metadata } = error;
      return { verdict: "deny", host: host.host, reason, message, hint: metadata["hint"] ?? "" };
    }
  }
}

/** A mode that was taken back closes the doors that were opened in it. */
function decideNamed(rules: DoorRules, policy: NetworkPolicy, target: EgressTarget): HostDecision {
  const decision = decideTarget(rules, policy, target);
  if (decision.verdict === "deny" || policy.modes.includes(rules.mode)) return decision;
  return deny(formatHost(decision.host), "EGRESS_HOST_NOT_ON_NODE_LIST", {
    message: `The node's operator does not offer the network mode ${rules.mode} any more.`,
    hint: "Ask the node's operator; `skrei node describe NODE` shows what a node offers.",
  });
}

function allowance({ host, jobRule, nodeRule }: Extract<HostDecision, { verdict: "allow" }>, addresses: readonly string[]): Allowance {
  const addressClass = classifyAddress(addresses[0] ?? "") ?? "";
  return { verdict: "allow", host: formatHost(host), isAddress: host.kind === "address", jobRule, nodeRule, addressClass, addresses };
}
