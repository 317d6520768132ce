/** An address as 16-bit words, two for IPv4 and eight for IPv6. IPv4-mapped IPv6 addresses have two, for they are IPv4. */
export type AddressWords = readonly number[];

/** Strict: dotted quads without leading zeros, or RFC 4291 text with an optional zone id, which is dropped. */
export function parseWords(address: string): AddressWords | undefined {
  if (!address.includes(":")) return wordsOfIpv4(address);
  if (address.length > ADDRESS_LENGTH_MAX) return undefined;
  const words = wordsOfIpv6(address.replace(/%[0-9A-Za-z.-]+$/u, ""));
  return words !== undefined && hasPrefix(words, IPV4_MAPPED) ? words.slice(6) : words;
}

/** A dotted quad, or RFC 5952. */
export function formatWords(words: AddressWords): string {
  if (words.length === 2) return words.map((word) => `${word >> 8}.${word & 0xff}`).join(".");
  const run = longestZeroRun(words);
  const hex = words.map((word) => word.toString(16));
  if (run.length < 2) return hex.join(":");
  return `${hex.slice(0, run.start).join(":")}::${hex.slice(run.start + run.length).join(":")}`;
}

/** False between families. */
export function hasPrefix(words: AddressWords, prefix: { readonly words: AddressWords; readonly bits: number }): boolean {
  if (words.length !== prefix.words.length) return false;
  for (let index = 0, bits = prefix.bits; bits > 0; index += 1, bits -= 16) {
    const difference = (words[index] ?? 0) ^ (prefix.words[index] ?? 0);
    if (difference >> Math.max(0, 16 - bits) !== 0) return false;
  }
  return true;
}

const ADDRESS_LENGTH_MAX = 64;
const IPV4_MAPPED = { words: [0, 0, 0, 0, 0, 0xffff, 0, 0], bits: 96 };
const QUAD = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/u;

function wordsOfIpv4(text: string): AddressWords | undefined {
  const match = QUAD.exec(text);
  if (match === null) return undefined;
  const [a = 256, b = 256, c = 256, d = 256] = match.slice(1).map(Number);
  return Math.max(a, b, c, d) > 255 ? undefined : [(a << 8) | b, (c << 8) | d];
}

function wordsOfIpv6(text: string): AddressWords | undefined {
  const parts = text.split("::");
  if (parts.length > 2) return undefined;
  const isShort = parts.length === 2;
  const [head, tail] = parts.map((part, index) => (isShort && part === "" ? [] : wordsOfGroups(part, index === parts.length - 1)));
  if (head === undefined) return undefined;
  if (!isShort) return head.length === 8 ? head : undefined;
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function wordsOfGroups(text: string, mayEndInQuad: boolean): readonly number[] | undefined {
  const groups = text.split(":");
  const quad = mayEndInQuad && groups.at(-1)?.includes(".") === true ? wordsOfIpv4(groups.pop() ?? "") : [];
  if (quad === undefined || !groups.every((group) => /^[0-9a-f]{1,4}$/iu.test(group))) return undefined;
  return [...groups.map((group) => Number.parseInt(group, 16)), ...quad];
}

/** The first of the longest. */
function longestZeroRun(words: AddressWords): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, word] of words.entries()) {
    if (word !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
