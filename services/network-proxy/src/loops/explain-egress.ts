import {
  canonicalHost,
  classifyAddress,
  DomainError,
  type EgressExplanation,
  formatHost,
  type Network,
  parseHostRule,
} from "@skrei/domain";
import { decideAddresses } from "../domain/decide-egress.ts";
import { type NetworkPolicy, refusalOf } from "../domain/network-policy.ts";
import type { EgressTarget } from "../domain/decide-egress.ts";
import type { OwnAddresses, Resolver } from "../ports.ts";
import type { Doors } from "./doors.ts";
import type { EgressGate, GatedDoor } from "./egress-gate.ts";
import type { PolicyWatch } from "./policy-watch.ts";
import { ReservedAddresses } from "./reserved-addresses.ts";

export interface ExplainParts {
  readonly doors: Doors;
  readonly gate: EgressGate;
  readonly policy: PolicyWatch;
  readonly resolver: Resolver;
  readonly ownAddresses: OwnAddresses;
}

export interface EgressQuestion {
  readonly url: string;
  readonly network: Network;
  /** Of an open door, or empty. */
  readonly executionId: string;
}

/** What would be said to a request, through the code that says it. @throws DomainError invalid/FIELD_INVALID. */
export async function explainEgress(parts: ExplainParts, { url, network, executionId }: EgressQuestion): Promise<EgressExplanation> {
  const target = targetOf(url);
  const open = parts.doors.find(executionId)?.door;
  const gated = gatedDoor(parts, network, open);
  const { verdict, addresses, jobRule, nodeRule } = await parts.gate.decide(gated, target);
  const named = canonicalHost(target.host);
  const host = named === undefined ? target.host : formatHost(named);
  const { policy } = parts.policy;
  const mayDial = (address: string): boolean =>
    named !== undefined &&
    decideAddresses({ policy, host: named, addresses: [address], ownAddresses: gated.reserved.known() }).verdict === "allow";
  const found = {
    host,
    port: target.port,
    jobRule,
    nodeRule,
    addresses: addresses.map((address) => ({ address, addressClass: classifyAddress(address) ?? "", isAllowed: mayDial(address) })),
  };
  const denial = verdict.verdict === "deny" ? verdict : (open?.quotaDenial(host, 1) ?? doorDenial(policy, network, open));
  if (denial !== undefined) {
    const { reason, message, hint } = denial;
    return { isAllowed: false, reason, message, hint, ...found };
  }
  const message = `${host} is let through: ${jobRule} on the job's list, ${nodeRule} on the node's.`;
  return { isAllowed: true, reason: "", message, hint: "", ...found };
}

/** A task whose list is not allowed as a whole would get no door here, whatever this one host is. */
function doorDenial(
  policy: NetworkPolicy,
  network: Network,
  open: GatedDoor | undefined,
): Pick<EgressExplanation, "reason" | "message" | "hint"> | undefined {
  const refusal = open === undefined ? refusalOf(policy, network) : undefined;
  return refusal && { reason: refusal.reason, message: refusal.message, hint: refusal.metadata["hint"] ?? "" };
}

/** The door's own rules when it is open; otherwise those it would have. */
function gatedDoor({ doors, resolver, ownAddresses }: ExplainParts, network: Network, open: GatedDoor | undefined): GatedDoor {
  // The cluster is the same for all doors of this host.
  const clusterHosts = open?.rules.clusterHosts ?? doors.clusterHosts();
  const reserved = open?.reserved ?? new ReservedAddresses(clusterHosts, { resolver, ownAddresses });
  return { rules: { mode: network.mode, rules: network.domains.map(parseHostRule), clusterHosts }, reserved };
}

function targetOf(text: string): EgressTarget {
  const [, scheme = "", host = "", digits] = /^(https?):\/\/(\[[^[\]]*\]|[^/?#:@\s]+)(?::(\d{1,5}))?(?:[/?#]|$)/iu.exec(text) ?? [];
  const isHttps = scheme.toLowerCase() === "https";
  const port = digits === undefined ? defaultPort(isHttps) : Number(digits);
  if (host === "" || port < 1 || port > 65_535) {
    throw new DomainError("invalid", "FIELD_INVALID", `"${text.slice(0, 200)}" is no http or https URL.`, {
      hint: "Give a URL such as https://example.com/.",
    });
  }
  return { host, port, scheme: isHttps ? "https" : "http" };
}

function defaultPort(isHttps: boolean): number {
  return isHttps ? 443 : 80;
}
