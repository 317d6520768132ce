import { canonicalAddress, classifyAddress, embeddedIpv4, formatAddressNetwork, formatHost } from "@skrei/domain";
import type { CanonicalHost } from "@skrei/domain";
import { DENIED_BY_OPERATOR, deny, NEVER_LISTABLE, printable } from "./denial.ts";
import type { Denial } from "./denial.ts";
import { NEVER_OPENED, networkOf, openingNetworkOf } from "./network-policy.ts";
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
    if (address === undefined) return addressDenial({ name, shown: printable(text) }, "is no address", LISTABLE);
    const denial = denialOf({ policy, name, address, shown: address, ownAddresses });
    if (denial !== undefined) return denial;
    checked.add(address);
  }
  return { verdict: "allow", addresses: [...checked] };
}

interface ShownAddress {
  readonly name: string;
  /** The address in words. */
  readonly shown: string;
}

interface OneAddress extends ShownAddress, Pick<AddressQuestion, "policy" | "ownAddresses"> {
  readonly address: string;
}

function denialOf(one: OneAddress): Denial | undefined {
  const { policy, address, ownAddresses } = one;
  if (ownAddresses.has(address)) return clusterDenial(one);
  const denied = networkOf(policy.deniedNetworks, address);
  if (denied !== undefined)
    return addressDenial(one, `lies in ${formatAddressNetwork(denied)}, denied by the node's operator`, DENIED_BY_OPERATOR);
  const addressClass = classifyAddress(address) ?? "unspecified";
  if (addressClass === "public") return undefined;
  const why = `is not a public address (${addressClass})`;
  if (NEVER_OPENED.has(addressClass)) return addressDenial(one, why, NEVER_LISTABLE);
  if (openingNetworkOf(policy, address) === undefined) return addressDenial(one, why, LISTABLE);
  // A listed NAT64 prefix opens the public addresses behind it, not a way round everything above.
  const inner = embeddedIpv4(address);
  return inner === undefined ? undefined : denialOf({ ...one, address: inner, shown: `${address} (${inner})` });
}

const LISTABLE = "Tasks reach public addresses; the node's operator can list others in allowedNetworks.";

function clusterDenial({ name, shown }: ShownAddress): Denial {
  return deny(name, "EGRESS_CLUSTER_DENIED", {
    message: `${leadsTo({ name, shown })} belongs to the cluster itself, and tasks never reach that.`,
    hint: "No list can open it; ask for what the task needs as an input of the job.",
  });
}

function addressDenial({ name, shown }: ShownAddress, why: string, hint: string): Denial {
  return deny(name, "EGRESS_ADDRESS_DENIED", { message: `${leadsTo({ name, shown })} ${why}.`, hint });
}

function leadsTo({ name, shown }: ShownAddress): string {
  return name === shown ? shown : `${name} leads to ${shown}, which`;
}
