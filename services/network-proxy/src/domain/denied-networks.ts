import { type AddressNetwork, NON_PUBLIC_NETWORKS, formatAddressNetwork, isInNetwork, parseAddressNetwork } from "@skrei/domain";
import { NEVER_OPENED } from "./network-policy.ts";
import type { NetworkPolicy } from "./network-policy.ts";

/** What a sandbox in mode full must not reach, as CIDRs: all that is not public but for what the operator opens, and what nobody opens. */
export function deniedNetworks(
  { allowedNetworks, deniedNetworks: denied }: Pick<NetworkPolicy, "allowedNetworks" | "deniedNetworks">,
  reserved: ReadonlySet<string>,
): readonly string[] {
  const openable = NON_PUBLIC_NETWORKS.filter(({ addressClass }) => !NEVER_OPENED.has(addressClass)).map(({ network }) => network);
  const closed = allowedNetworks.reduce((left, hole) => left.flatMap((network) => without(network, hole)), openable);
  const never = NON_PUBLIC_NETWORKS.filter(({ addressClass }) => NEVER_OPENED.has(addressClass)).map(({ network }) => network);
  const single = [...reserved].flatMap((address) => parseAddressNetwork(`${address}/${address.includes(":") ? 128 : 32}`) ?? []);
  return [...new Set([...closed, ...never, ...denied, ...single].map(formatAddressNetwork))];
}

/** The parts of `network` outside `hole`. */
function without(network: AddressNetwork, hole: AddressNetwork): readonly AddressNetwork[] {
  if (covers(hole, network)) return [];
  if (!covers(network, hole)) return [network];
  return halves(network).flatMap((half) => without(half, hole));
}

function covers(outer: AddressNetwork, inner: AddressNetwork): boolean {
  return outer.bits <= inner.bits && outer.words.length === inner.words.length && isInNetwork(outer, textOf(inner));
}

function textOf(network: AddressNetwork): string {
  return formatAddressNetwork(network).replace(/\/\d+$/u, "");
}

function halves({ words, bits }: AddressNetwork): readonly [AddressNetwork, AddressNetwork] {
  const upper = words.map((word, index) => (index === bits >> 4 ? word | (0x8000 >> (bits & 15)) : word));
  return [
    { words, bits: bits + 1 },
    { words: upper, bits: bits + 1 },
  ];
}
