import { mkdirSync, statfsSync } from "node:fs";
import { arch, availableParallelism, hostname, platform, totalmem } from "node:os";
import type { Resources } from "@skrei/domain";

/** What `percent` of this machine is; disk is what is free where the folder lies. */
export function machineCapacity(folder: string, percent: number): Resources {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = statfsSync(folder);
  const share = (amount: number): number => Math.floor((amount * percent) / 100);
  return { cpuMillis: share(availableParallelism() * 1_000), memoryBytes: share(totalmem()), diskBytes: share(bavail * bsize) };
}

/** Labels that every node has, for constraints. */
export function machineLabels(): Readonly<Record<string, string>> {
  return { os_type: platform(), os_arch: arch() === "x64" ? "amd64" : arch() };
}

export function machineName(): string {
  return hostname();
}

export function machineCores(): number {
  return availableParallelism();
}
