import type { NetworkUse } from "@skrei/domain";

/**
 * Counts only rise, so one that is higher in nothing is an older one that was late, or what a proxy lost when it was killed.
 * A use in which nothing happened is no news either.
 */
export function isNewUse(known: NetworkUse | undefined, next: NetworkUse): boolean {
  return COUNTS.some((count) => next[count] > (known?.[count] ?? 0)) || failedOf(next) > failedOf(known);
}

/** What origins failed had been let through, and counted, before. */
function failedOf(use: NetworkUse | undefined): number {
  return use?.hosts.reduce((sum, { failed = 0 }) => sum + failed, 0) ?? 0;
}

const COUNTS = ["requests", "denied", "sentBytes", "receivedBytes"] as const satisfies readonly (keyof NetworkUse)[];
