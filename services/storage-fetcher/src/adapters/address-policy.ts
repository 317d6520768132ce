import { BlockList, isIP } from "node:net";
import { DomainError } from "@skrei/domain";

/** Which addresses a download may dial. */
export interface AddressPolicy {
  /** @throws DomainError forbidden/SOURCE_NOT_ALLOWED naming `host`. */
  check(address: string, host: string): void;
}

/** Everything but public unicast is refused, unless `allowedPrivateCidrs` lists it. @throws DomainError invalid/CONFIG_INVALID. */
export function createAddressPolicy(allowedPrivateCidrs: readonly string[]): AddressPolicy {
  const denied = blockListOf(NOT_PUBLIC);
  const allowed = blockListOf(allowedPrivateCidrs);
  return {
    check: (address, host) => {
      const plain = address.replace(/%.*$/u, "");
      const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
      if (isIP(plain) !== 0 && (allowed.check(plain, family) || !denied.check(plain, family))) return;
      throw new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `${host} leads to ${plain}, which is not a public address.`, {
        hint: "The node's operator can list private networks in allowedPrivateCidrs.",
      });
    },
  };
}

function blockListOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", bits = ""] = cidr.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (isIP(address) === 0 || !/^\d{1,3}$/u.test(bits) || Number(bits) > (family === "ipv6" ? 128 : 32)) {
      throw new DomainError("invalid", "CONFIG_INVALID", `"${cidr}" is not a network.`, {
        hint: "Write networks like 10.0.0.0/8 or fd00::/8.",
      });
    }
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** IANA's special-purpose registries, and every IPv6 form that embeds an IPv4 address. Mapped addresses are checked as IPv4. */
const NOT_PUBLIC = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/32",
  "2001:db8::/32",
  "2002::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
];
