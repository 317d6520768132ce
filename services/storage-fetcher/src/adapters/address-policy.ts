import { canonicalAddress, classifyAddress, DomainError, isInNetwork, parseAddressNetwork } from "@skrei/domain";
import type { AddressClass, AddressNetwork } from "@skrei/domain";

/** Which addresses a download may dial. */
export interface AddressPolicy {
  /** @throws DomainError forbidden/SOURCE_NOT_ALLOWED naming `host`. */
  check(address: string, host: string): void;
}

/** Everything but public unicast is refused, unless `allowedPrivateCidrs` lists it. @throws DomainError invalid/CONFIG_INVALID. */
export function createAddressPolicy(allowedPrivateCidrs: readonly string[]): AddressPolicy {
  return policyOf(["public"], allowedPrivateCidrs);
}

/** For services that the operator names: they may be near, but no metadata service, and not all hosts of a link. */
export function createOperatorPolicy(allowedPrivateCidrs: readonly string[]): AddressPolicy {
  return policyOf(["public", "loopback", "private", "carrier-nat"], allowedPrivateCidrs);
}

function policyOf(classes: readonly AddressClass[], allowedPrivateCidrs: readonly string[]): AddressPolicy {
  const allowed = allowedPrivateCidrs.map(networkOf);
  return {
    check: (address, host) => {
      const addressClass = classifyAddress(address);
      if ((addressClass !== undefined && classes.includes(addressClass)) || allowed.some((network) => isInNetwork(network, address)))
        return;
      const found = `${canonicalAddress(address) ?? address}, which is not a public address (${addressClass ?? "unknown"})`;
      throw new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `${host} leads to ${found}.`, {
        hint: "The node's operator can list private networks in allowedPrivateCidrs.",
      });
    },
  };
}

function networkOf(cidr: string): AddressNetwork {
  const network = parseAddressNetwork(cidr);
  if (network !== undefined) return network;
  throw new DomainError("invalid", "CONFIG_INVALID", `"${cidr}" is not a network.`, {
    hint: "Write networks like 10.0.0.0/8 or fd00::/8.",
  });
}
