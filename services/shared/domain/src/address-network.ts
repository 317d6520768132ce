import { formatWords, hasPrefix, parseWords } from "./address-words.ts";
import type { AddressWords } from "./address-words.ts";

/** A block of addresses; see `parseAddressNetwork`. */
export interface AddressNetwork {
  /** Host bits are zero. */
  readonly words: AddressWords;
  readonly bits: number;
}

/** `10.0.0.0/8`, `fd00::/8`. Host bits may be set and are dropped; a network of IPv4-mapped addresses becomes its IPv4 network. */
export function parseAddressNetwork(cidr: string): AddressNetwork | undefined {
  const [, address = "", length = ""] = /^([^/%]+)\/(0|[1-9]\d{0,2})$/u.exec(cidr) ?? [];
  const words = parseWords(address);
  if (words === undefined) return undefined;
  // A mapped address has lost its 96 leading bits.
  const bits = Number(length) - (words.length === 2 && address.includes(":") ? 96 : 0);
  return bits < 0 || bits > words.length * 16 ? undefined : { words: words.map((word, index) => word & maskOf(bits - index * 16)), bits };
}

/** False for anything that is no address. */
export function isInNetwork(network: AddressNetwork, address: string): boolean {
  const words = parseWords(address);
  return words !== undefined && hasPrefix(words, network);
}

export function formatAddressNetwork({ words, bits }: AddressNetwork): string {
  return `${formatWords(words)}/${bits}`;
}

function maskOf(bits: number): number {
  return (0xffff << (16 - Math.min(16, Math.max(0, bits)))) & 0xffff;
}
