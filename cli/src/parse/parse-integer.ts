import { badValue } from "./bad-value.ts";

/** A parser for whole numbers from `min` to `max`. */
export function integerBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d{1,15}$/u.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value) || value < min || value > max) throw badValue(text, `a whole number from ${min} to ${max}`);
    return value;
  };
}
