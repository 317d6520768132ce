/** Bytes of `10MB`, `1.5GiB`, `4096`; letters' case and spaces do not matter, `i` counts in 1024. Undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const [whole, amount, letter = "", binary] = /^(\d+(?:\.\d+)?)([kmgtp]?)(i?)b?$/u.exec(plain(text)) ?? [];
  return whole === undefined || (binary === "i" && letter === "") ? undefined : scaled(amount, letter, binary === "i" ? 1024 : 1000);
}

/** Bits per second of `10Mbit`, `1.5Gbit/s`, `64kbps`, `64000`. Undefined when it is none; `10MB` could be meant in two ways. */
export function parseRate(text: string): number | undefined {
  const [whole, amount, letter = ""] = /^(\d+(?:\.\d+)?)(?:([kmgt]?)(?:bits?(?:\/s)?|bps))?$/u.exec(plain(text)) ?? [];
  return whole === undefined ? undefined : scaled(amount, letter, 1000);
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll(/\s/gu, "");
}

const POWERS = ["", "k", "m", "g", "t", "p"];

function scaled(amount: string | undefined, letter: string, base: number): number | undefined {
  const value = Math.round(Number(amount) * base ** POWERS.indexOf(letter));
  return Number.isSafeInteger(value) ? value : undefined;
}
