import { formatWords, hasPrefix, parseWords } from "./address-words.ts";
import type { AddressWords } from "./address-words.ts";
import { parseAddressNetwork } from "./address-network.ts";
import type { AddressNetwork } from "./address-network.ts";

/** What kind of address it is; a task may reach nothing but `public` unless an operator lists the network. */
export type AddressClass =
  | "public"
  | "unspecified"
  | "loopback"
  | "private"
  | "carrier-nat"
  | "link-local"
  | "metadata"
  | "multicast"
  | "reserved"
  | "documentation"
  | "embedded-ipv4";

/**
 * Undefined when the text is no address. Accepts dotted quads without leading zeros and any RFC 4291 text, brackets not included;
 * a zone id is ignored. An IPv4-mapped IPv6 address is classified as its IPv4 address.
 */
export function classifyAddress(address: string): AddressClass | undefined {
  const words = parseWords(address);
  if (words === undefined) return undefined;
  for (const { network, addressClass } of words.length === 2 ? IPV4_TABLE : IPV6_TABLE) {
    if (hasPrefix(words, network)) return addressClass;
  }
  return words.length === 8 && isIsatap(words) ? "embedded-ipv4" : "public";
}

/** The one spelling of an address: a dotted quad, or RFC 5952 without a zone; IPv4-mapped becomes IPv4. Undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  const words = parseWords(text);
  return words === undefined ? undefined : formatWords(words);
}

/**
 * The IPv4 address that an IPv6 address of class `embedded-ipv4` leads to by a translator or a tunnel. Undefined for all others.
 * Of the local NAT64 prefix 64:ff9b:1::/48 only the form with 96 bits is known.
 */
export function embeddedIpv4(address: string): string | undefined {
  const words = parseWords(address);
  if (words === undefined || classifyAddress(address) !== "embedded-ipv4") return undefined;
  if (hasPrefix(words, SIX_TO_FOUR)) return formatWords(words.slice(1, 3));
  const low = words.slice(6);
  // Teredo stores the client's address inverted (RFC 4380, section 4).
  return formatWords(hasPrefix(words, TEREDO) ? low.map((word) => word ^ 0xffff) : low);
}

const SIX_TO_FOUR = { words: [0x2002, 0, 0, 0, 0, 0, 0, 0], bits: 16 };
const TEREDO = { words: [0x2001, 0, 0, 0, 0, 0, 0, 0], bits: 32 };

/** An interface id that embeds an IPv4 address under any prefix (RFC 5214, section 6.1). */
function isIsatap(words: AddressWords): boolean {
  return (words[4] === 0 || words[4] === 0x0200) && words[5] === 0x5efe;
}

/** A network all of whose addresses are of one class. */
export interface ClassOfNetwork {
  readonly network: AddressNetwork;
  readonly addressClass: AddressClass;
}

function table(rows: readonly (readonly [AddressClass, ...string[]])[]): readonly ClassOfNetwork[] {
  return rows.flatMap(([addressClass, ...cidrs]) =>
    cidrs.map((cidr) => {
      const network = parseAddressNetwork(cidr);
      if (network === undefined) throw new TypeError(`${cidr} is not a network`);
      return { network, addressClass };
    }),
  );
}

/**
 * The first row that fits counts. IANA's IPv4 Special-Purpose Address Registry (RFC 6890), stricter in one place: 192.0.0.0/24 is
 * reserved whole. Metadata addresses are those of AWS, Azure, Alibaba, Oracle, Tencent and Scaleway.
 */
const IPV4_TABLE = table([
  ["metadata", "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "169.254.0.23/32", "169.254.42.42/32"],
  ["metadata", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"],
  ["unspecified", "0.0.0.0/8"],
  ["loopback", "127.0.0.0/8"],
  ["private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
  ["carrier-nat", "100.64.0.0/10"],
  ["link-local", "169.254.0.0/16"],
  ["documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
  ["multicast", "224.0.0.0/4"],
  ["reserved", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"],
]);

/**
 * IANA's IPv6 Special-Purpose Address Registry, stricter in two places: 2001::/23 is closed whole, and so is everything outside
 * 2000::/3, for IANA has given out nothing there (RFC 4291, section 2.4). Metadata addresses are those of AWS, Google and Scaleway.
 */
const IPV6_TABLE = table([
  ["metadata", "fd00:ec2::254/128", "fd20:ce::254/128", "fd00:42::42/128"],
  ["unspecified", "::/128"],
  ["loopback", "::1/128"],
  ["embedded-ipv4", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"],
  ["documentation", "2001:db8::/32", "3fff::/20"],
  ["private", "fc00::/7", "fec0::/10"],
  ["link-local", "fe80::/10"],
  ["multicast", "ff00::/8"],
  ["reserved", "2001::/23", "::/3", "4000::/2", "8000::/1"],
]);

/** Every network that is not public, with its class; some lie within others. ISATAP addresses are the one class that no network holds. */
export const NON_PUBLIC_NETWORKS: readonly ClassOfNetwork[] = [...IPV4_TABLE, ...IPV6_TABLE];
