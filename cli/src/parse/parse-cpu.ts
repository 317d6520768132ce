import { badValue } from "./bad-value.ts";

const CPU_MILLIS_MAX = 1_000_000;

/** Thousandths of a core of `500m`, `0.5`, `2`. */
export function parseCpu(text: string): number {
  const plain = text.toLowerCase().replaceAll(/\s/gu, "");
  const match = /^(\d+(?:\.\d+)?)(m?)$/u.exec(plain);
  const [, amount, milli] = match ?? [];
  const value = Math.ceil(Number((Number(amount) * (milli === "m" ? 1 : 1000)).toFixed(6)));
  if (match === null || value < 1 || value > CPU_MILLIS_MAX) throw badValue(text, "an amount of cpu such as 500m, 0.5 or 2");
  return value;
}

/** `500m` below one core, else `1.5`. */
export function formatCpu(cpuMillis: number): string {
  return cpuMillis < 1000 ? `${cpuMillis}m` : `${Math.round(cpuMillis / 10) / 100}`;
}
