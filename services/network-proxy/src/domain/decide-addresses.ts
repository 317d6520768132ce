import { canonicalAddress, classifyAddress, embeddedIpv4, formatAddressNetwork, formatHost } from "@skrei/domain";
import type { CanonicalHost } from "@skrei/domain";
import { deny, printable } from "./denial.ts";
import type { Denial } from "./denial.ts";
import { networkOf } from "./network-policy.ts";
import type { NetworkPolicy } from "./network-policy.ts";

interface AddressQuestion {
  readonly policy: NetworkPolicy;
  readonly host: CanonicalHost;
  /** All that the name leads to now. */
  readonly addresses: readonly string[];
  /** Of the cluster and of the proxy, canonical; no list opens them. */
  readonly ownAddresses: ReadonlySet<string>;
}

/** `addresses` are canonical, in their order, each once. */
type AddressDecision = { readonly verdict: "allow"; readonly addresses: readonly string[] } | Denial;

/** One bad address refuses all: a name with a public and a private address is a trap, whichever would be dialled. */
export function decideAddresses({ policy, host, addresses, ownAddresses }: AddressQuestion): AddressDecision {
  const name = formatHost(host);
  if (addresses.length === 0) {
    return deny(name, "EGRESS_NAME_UNRESOLVED", { message: `${name} has no address.`, hint: "Check the spelling of the name." });
  }
  const checked = new Set<string>();
  for (const text of addresses) {
    const address = canonicalAddress(text);
    if (address === undefined) return addressDenial(name, printable(text), "is no address");
    const denial = denialOf({ policy, name, address, ownAddresses });
    if (denial !== undefined) return denial;
    checked.add(address);
  }
  return { verdict: "allow", addresses: [...checked] };
}

interface OneAddress extends Pick<AddressQuestion, "policy" | "ownAddresses"> {
  readonly name: string;
  readonly address: string;
}

function denialOf({ policy, name, address, ownAddresses }: OneAddress): Denial | undefined {
  if (ownAddresses.has(address)) {
    return deny(name, "EGRESS_CLUSTER_DENIED", {
      message: `${leadsTo(name, address)} belongs to the cluster itself, which tasks never reach.`,
      hint: "No list can open it; ask for what the task needs as an input of the job.",
    });
  }
  const denied = networkOf(policy.deniedNetworks, address);
  if (denied !== undefined)
    return addressDenial(name, address, `lies in ${formatAddressNetwork(denied)}, which the node's operator denies`);
  const addressClass = classifyAddress(address);
  if (addressClass === "public") return undefined;
  if (addressClass === "metadata") return addressDenial(name, address, "serves the metadata of machines, which no list can open");
  if (networkOf(policy.allowedNetworks, address) === undefined) {
    return addressDenial(name, address, `is not a public address (${addressClass ?? "unknown"})`);
  }
  // A listed NAT64 prefix opens the public addresses behind it, not a way round everything above.
  const inner = embeddedIpv4(address);
  return inner === undefined ? undefined : denialOf({ policy, name, address: inner, ownAddresses });
}

function addressDenial(name: string, address: string, why: string): Denial {
  return deny(name, "EGRESS_ADDRESS_DENIED", {
    message: `${leadsTo(name, address)} ${why}.`,
    hint: "Tasks reach public addresses; the node's operator can list others in allowedNetworks.",
  });
}

function leadsTo(name: string, address: string): string {
  return name === address ? address : `${name} leads to ${address}, which`;
}
