import { denialReasonsOf, LIMITS } from "@skrei/domain";
import type { HostUse, NetworkUse } from "@skrei/domain";

/**
 * What both counts together say: each count is the larger one, so reports may come late, doubled or from a proxy that a crash set back a
 * little, and none takes anything away. Returns `before` itself when `after` adds nothing.
 */
export function mergeUse(before: NetworkUse | undefined, after: NetworkUse | undefined): NetworkUse | undefined {
  if (before === undefined || after === undefined) return before ?? after;
  const hosts = mergeHosts(before.hosts, after.hosts);
  if (hosts === before.hosts && !isLarger(after, before)) return before;
  // A total is never less than its parts, which may each be of another report.
  return { hosts, ...largerCounts(largerCounts(before, after), sumOf(hosts)) };
}

/** Of `before` when nothing is added. */
function mergeHosts(before: readonly HostUse[], after: readonly HostUse[]): readonly HostUse[] {
  const merged = new Map(before.map((use) => [use.host, use]));
  let isChanged = false;
  for (const use of after) {
    const known = merged.get(use.host);
    if (known === undefined ? merged.size >= HOSTS_MAX : !isNews(use, known)) continue;
    merged.set(use.host, known === undefined ? use : mergeHost(known, use));
    isChanged = true;
  }
  return isChanged ? [...merged.values()] : before;
}

/** Words go with the newest count that they belong to. */
function mergeHost(before: HostUse, after: HostUse): HostUse {
  const { reason, message } = troublesOf(after) > troublesOf(before) ? after : before;
  const { rule } = after.requests > before.requests ? after : before;
  const failed = Math.max(before.failed ?? 0, after.failed ?? 0);
  const reasons = [...new Set([...denialReasonsOf(before), ...denialReasonsOf(after)])].slice(0, LIMITS.networkDenialReasonsMax);
  return {
    host: before.host,
    rule,
    reason,
    message,
    ...largerCounts(before, after),
    ...(failed > 0 && { failed }),
    ...(reasons.length > 0 && { denialReasons: reasons }),
  };
}

function isNews(after: HostUse, before: HostUse): boolean {
  if (isLarger(after, before) || (after.failed ?? 0) > (before.failed ?? 0)) return true;
  const known = denialReasonsOf(before);
  return known.length < LIMITS.networkDenialReasonsMax && !denialReasonsOf(after).every((reason) => known.includes(reason));
}

/** What the words are of: refusals, and failures of the origin. */
function troublesOf({ denied, failed = 0 }: HostUse): number {
  return denied + failed;
}

type Counts = Pick<NetworkUse, "requests" | "denied" | "sentBytes" | "receivedBytes">;

function isLarger(after: Counts, before: Counts): boolean {
  return (
    after.requests > before.requests ||
    after.denied > before.denied ||
    after.sentBytes > before.sentBytes ||
    after.receivedBytes > before.receivedBytes
  );
}

function sumOf(hosts: readonly HostUse[]): Counts {
  const sum = { requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0 };
  for (const { requests, denied, sentBytes, receivedBytes } of hosts) {
    sum.requests += requests;
    sum.denied += denied;
    sum.sentBytes += sentBytes;
    sum.receivedBytes += receivedBytes;
  }
  return sum;
}

function largerCounts(a: Counts, b: Counts): Counts {
  return {
    requests: Math.max(a.requests, b.requests),
    denied: Math.max(a.denied, b.denied),
    sentBytes: Math.max(a.sentBytes, b.sentBytes),
    receivedBytes: Math.max(a.receivedBytes, b.receivedBytes),
  };
}

/** As many as a count lists; see NetworkUse. */
const HOSTS_MAX = 64;
