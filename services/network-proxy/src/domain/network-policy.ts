import { classifyAddress, coversRule, DomainError, formatAddressNetwork, formatHostRule, isInNetwork, parseHostRule } from "@skrei/domain";
import type { AddressClass, AddressNetwork, HostRule, Network, NetworkMode } from "@skrei/domain";

/** What this node's operator permits. Limits of zero are none. */
export interface NetworkPolicy {
  /** Modes that tasks may ask for here. */
  readonly modes: readonly NetworkMode[];
  /** What tasks in mode http may list. */
  readonly domains: readonly HostRule[];
  readonly ports: readonly number[];
  /** Networks beyond the public ones that names may lead to, and whose addresses may be listed. */
  readonly allowedNetworks: readonly AddressNetwork[];
  /** Beats every list. */
  readonly deniedNetworks: readonly AddressNetwork[];
  /** Beats every list. */
  readonly deniedDomains: readonly HostRule[];
  /** Of one execution, each way. */
  readonly rateBitsPerSecond: number;
  /** What one execution may send out in all. */
  readonly egressBytesMax: number;
  /** Of one execution at once. */
  readonly connectionsMax: number;
  readonly headerTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

/** Why a task with this network cannot run here: every domain that is missing, not just the first. Undefined when it can. */
export function refusalOf(policy: NetworkPolicy, network: Network): DomainError | undefined {
  if (!policy.modes.includes(network.mode)) return modeNotOffered(policy, network.mode);
  if (network.mode !== "http") return undefined;
  const missing = network.domains.filter((domain) => !allowsRule(policy, domain));
  return missing.length === 0 ? undefined : domainsNotAllowed(missing);
}

/** The network of a list that has this address. */
export function networkOf(networks: readonly AddressNetwork[], address: string): AddressNetwork | undefined {
  return networks.find((network) => isInNetwork(network, address));
}

/**
 * The listed network that opens an address which is not public. Metadata, multicast and 0.0.0.0, which is the machine itself, are
 * never opened; loopback only by a network of loopback, for 0.0.0.0/0 is meant for what lies outside the machine.
 */
export function openingNetworkOf({ allowedNetworks }: Pick<NetworkPolicy, "allowedNetworks">, address: string): AddressNetwork | undefined {
  const addressClass = classifyAddress(address);
  if (addressClass === undefined || NEVER_OPENED.has(addressClass)) return undefined;
  const candidates = addressClass === "loopback" ? allowedNetworks.filter(isLoopback) : allowedNetworks;
  return networkOf(candidates, address);
}

/** The refusal in words. */
export function modeNotOffered({ modes }: Pick<NetworkPolicy, "modes">, asked: string): DomainError {
  return new DomainError(
    "precondition",
    "NETWORK_MODE_NOT_OFFERED",
    `The node offers network ${modes.join(", ")}, the task asks for ${asked}.`,
    {
      hint: `Ask for one of the modes that are offered (${modes.join(", ")}), or the node's operator for this one.`,
      metadata: { offered: modes.join(", ") },
    },
  );
}

export const NEVER_OPENED: ReadonlySet<AddressClass> = new Set<AddressClass>(["metadata", "multicast", "unspecified"]);

function isLoopback(network: AddressNetwork): boolean {
  const [first = ""] = formatAddressNetwork(network).split("/");
  return classifyAddress(first) === "loopback";
}

const NAMED_MAX = 10;

function domainsNotAllowed(missing: readonly string[]): DomainError {
  const named = missing.slice(0, NAMED_MAX).join(", ");
  const rest = missing.length > NAMED_MAX ? ` and ${missing.length - NAMED_MAX} more` : "";
  return new DomainError("precondition", "NETWORK_DOMAIN_NOT_ALLOWED", `This node does not allow ${named}${rest}.`, {
    hint: "Ask the node's operator to list them; `skrei node describe NODE` shows what a node allows.",
    metadata: { domains: named, missing: String(missing.length) },
  });
}

function allowsRule({ domains, allowedNetworks, deniedDomains, deniedNetworks }: NetworkPolicy, text: string): boolean {
  const rule = ruleOf(text);
  if (rule === undefined || deniedDomains.some((denied) => coversRule(denied, rule))) return false;
  if (rule.kind !== "address") return domains.some((domain) => coversRule(domain, rule));
  if (networkOf(deniedNetworks, rule.address) !== undefined) return false;
  if (openingNetworkOf({ allowedNetworks }, rule.address) !== undefined) return true;
  return classifyAddress(rule.address) === "public" && domains.some((domain) => coversRule(domain, rule));
}

/** A rule of a newer peer that does not parse here cannot be judged, so it is not allowed. */
function ruleOf(text: string): HostRule | undefined {
  try {
    const rule = parseHostRule(text);
    return formatHostRule(rule) === text ? rule : undefined;
  } catch (error) {
    if (error instanceof DomainError) return undefined;
    throw error;
  }
}
