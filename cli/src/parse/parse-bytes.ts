import { badValue } from "./bad-value.ts";

const FORM = /^(\d+(?:\.\d+)?)([kmgtp]?)(i?)b?$/u;
const POWERS = ["", "k", "m", "g", "t", "p"];

/** Bytes of `512MB`, `1.5GiB`, `128Mi`, `1g`, `4096`. Letters' case and spaces do not matter; `i` counts in 1024. */
export function parseBytes(text: string): number {
  const match = FORM.exec(text.toLowerCase().replaceAll(/\s/gu, ""));
  const [, amount, letter = "", binary] = match ?? [];
  const value = Math.round(Number(amount) * (binary === "i" ? 1024 : 1000) ** POWERS.indexOf(letter));
  const isBareI = binary === "i" && letter === "";
  if (match === null || isBareI || !Number.isSafeInteger(value)) throw badValue(text, "a size such as 512MB, 1.5GiB or 4096");
  return value;
}

/** The same form back, decimal units: `1.2MB`. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const text = unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/u, "");
  return `${text}${units[unit]}`;
}
