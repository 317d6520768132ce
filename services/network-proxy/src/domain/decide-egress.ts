import { canonicalHost, classifyAddress, formatAddressNetwork, formatHost, formatHostRule, matchesHost } from "@skrei/domain";
import type { CanonicalHost, HostRule, NetworkMode } from "@skrei/domain";
import { DENIED_BY_OPERATOR, deny, listed, NEVER_LISTABLE, printable } from "./denial.ts";
import type { Denial } from "./denial.ts";
import { NEVER_OPENED, openingNetworkOf } from "./network-policy.ts";
import type { NetworkPolicy } from "./network-policy.ts";

export { decideAddresses } from "./decide-addresses.ts";
export type { Denial } from "./denial.ts";

/** Where a request wants to go. */
export interface EgressTarget {
  /** As asked for, without a port; an IPv6 address with or without brackets. */
  readonly host: string;
  readonly port: number;
  readonly scheme: "http" | "https";
}

/** What one door may reach. */
export interface DoorRules {
  readonly mode: NetworkMode;
  /** Of the job; empty but for mode http. */
  readonly rules: readonly HostRule[];
  /** The cluster's own services, which no list can open. */
  readonly clusterHosts: readonly CanonicalHost[];
}

export type HostDecision =
  | { readonly verdict: "allow"; readonly host: CanonicalHost; readonly jobRule: string; readonly nodeRule: string }
  | Denial;

/**
 * May a task ask for this host at all? What its name leads to is asked after it has been resolved, see `decideAddresses`.
 * Denied names first, then the job's list, the node's list, the port.
 */
export function decideTarget(door: DoorRules, policy: NetworkPolicy, target: EgressTarget): HostDecision {
  const host = canonicalHost(target.host);
  if (host === undefined) return hostInvalid(target.host);
  const denial = clusterDenial(door, host) ?? operatorDenial(policy, host);
  if (denial !== undefined) return denial;
  const nodeRule = nodeRuleOf(door, policy, host);
  if (host.kind === "address" && nodeRule === undefined) return literalDenial(host.address);
  const jobRule = jobRuleOf(door, host);
  if (jobRule === undefined) return notOnJobList(door, host);
  if (nodeRule === undefined) return notOnNodeList(host);
  if (!policy.ports.includes(target.port)) return portDenial(policy, host, target.port);
  return { verdict: "allow", host, jobRule, nodeRule };
}

/** In mode full there is no list: every public name is fine. */
function jobRuleOf({ mode, rules }: DoorRules, host: CanonicalHost): string | undefined {
  if (mode === "full") return "*";
  const rule = mode === "http" ? rules.find((candidate) => matchesHost(candidate, host)) : undefined;
  return rule === undefined ? undefined : formatHostRule(rule);
}

function nodeRuleOf({ mode }: DoorRules, policy: NetworkPolicy, host: CanonicalHost): string | undefined {
  if (mode === "full" && host.kind === "name") return "*";
  const rule = policy.domains.find((candidate) => matchesHost(candidate, host));
  if (rule !== undefined) return formatHostRule(rule);
  const network = host.kind === "address" ? openingNetworkOf(policy, host.address) : undefined;
  return network === undefined ? undefined : formatAddressNetwork(network);
}

function clusterDenial({ clusterHosts }: DoorRules, host: CanonicalHost): Denial | undefined {
  const text = formatHost(host);
  if (!clusterHosts.some((own) => own.kind === host.kind && formatHost(own) === text)) return undefined;
  return deny(text, "EGRESS_CLUSTER_DENIED", {
    message: `${text} belongs to the cluster itself, and tasks never reach that.`,
    hint: "No list can open it; ask for what the task needs as an input of the job.",
  });
}

function operatorDenial({ deniedDomains }: NetworkPolicy, host: CanonicalHost): Denial | undefined {
  const rule = deniedDomains.find((denied) => matchesHost(denied, host));
  if (rule === undefined) return undefined;
  const text = formatHost(host);
  return deny(text, "EGRESS_HOST_NOT_ON_NODE_LIST", {
    message: `${text} is denied by the node's operator (${formatHostRule(rule)}).`,
    hint: DENIED_BY_OPERATOR,
  });
}

function hostInvalid(asked: string): Denial {
  const host = printable(asked);
  return deny(host, "EGRESS_HOST_INVALID", {
    message: host === "" ? "The request names no host." : `"${host}" is not a host name.`,
    hint: "Ask for a name such as example.com, without user name, percent-encoding or white space.",
  });
}

function literalDenial(address: string): Denial {
  const addressClass = classifyAddress(address) ?? "unspecified";
  const listable = "Ask for the host by name, or ask the node's operator to list the address's network in allowedNetworks.";
  return deny(address, "EGRESS_LITERAL_DENIED", {
    message: `${address} is an address (${addressClass}), and tasks reach hosts by name.`,
    hint: NEVER_OPENED.has(addressClass) ? NEVER_LISTABLE : listable,
  });
}

function notOnJobList({ mode, rules }: DoorRules, host: CanonicalHost): Denial {
  const text = formatHost(host);
  if (mode === "none") {
    return deny(text, "EGRESS_HOST_NOT_ON_JOB_LIST", {
      message: `${text} is out of reach, for this job has no network.`,
      hint: `Ask for one: network mode http with "${text}" in network.domains of the job.`,
    });
  }
  return deny(text, "EGRESS_HOST_NOT_ON_JOB_LIST", {
    message: `${text} is not on this job's list (${listed(rules.map(formatHostRule))}).`,
    hint: isListable(host)
      ? `Add "${text}" to network.domains of the job.`
      : "Names without a dot cannot be listed; only public names can be reached.",
  });
}

function notOnNodeList(host: CanonicalHost): Denial {
  const text = formatHost(host);
  return deny(text, "EGRESS_HOST_NOT_ON_NODE_LIST", {
    message: `The node's list does not have ${text}.`,
    hint: "Ask the node's operator to list it; `skrei node describe NODE` shows what a node allows.",
  });
}

function portDenial({ ports }: NetworkPolicy, host: CanonicalHost, port: number): Denial {
  const text = formatHost(host);
  return deny(text, "EGRESS_PORT_DENIED", {
    message: `Port ${port} of ${text} is none that this node allows (${listed(ports.map(String))}).`,
    hint: "Use one of those ports, or ask the node's operator to list the port.",
  });
}

function isListable(host: CanonicalHost): boolean {
  return host.kind === "address" || host.host.includes(".");
}
