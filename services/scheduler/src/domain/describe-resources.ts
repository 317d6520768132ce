import type { Resources } from "@skrei/domain";

/** `wants 2 cores, 0.5 free; wants 8 GiB of memory, 1.5 GiB free`: only what is short. */
export function describeShortage(wanted: Resources, offered: Resources, qualifier: string): string {
  const parts: string[] = [];
  if (wanted.cpuMillis > offered.cpuMillis) parts.push(`wants ${cores(wanted.cpuMillis)} cores, ${cores(offered.cpuMillis)} ${qualifier}`);
  if (wanted.memoryBytes > offered.memoryBytes)
    parts.push(`wants ${bytes(wanted.memoryBytes)} of memory, ${bytes(offered.memoryBytes)} ${qualifier}`);
  if (wanted.diskBytes > offered.diskBytes)
    parts.push(`wants ${bytes(wanted.diskBytes)} of disk, ${bytes(offered.diskBytes)} ${qualifier}`);
  return parts.join("; ");
}

function cores(millis: number): string {
  return String(millis / 1000);
}

function bytes(count: number): string {
  const [divisor, unit] = UNITS.find(([size]) => count >= size) ?? [1, "B"];
  return `${String(Math.round((count / divisor) * 10) / 10)} ${unit}`;
}

const UNITS: readonly (readonly [number, string])[] = [
  [2 ** 40, "TiB"],
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
];
