import { LIMITS } from "@skrei/domain";
import type { HostUse, NetworkUse, NodeNetwork } from "@skrei/domain";
import { cutText } from "../domain/cut-text.ts";

/**
 * What a node tells of its network, cut to bounds: it is stored and shown to everybody. Too much of it is no reason to refuse the node,
 * since nothing but the modes is ever decided by it.
 */
export function boundedNodeNetwork(network: NodeNetwork): NodeNetwork {
  const { modes, domains, domainCount, policyDigest, problem, ports } = network;
  return {
    modes: [...new Set(modes)],
    domains: domains.slice(0, DOMAINS_MAX).map((domain) => cutText(domain, HOST_LENGTH_MAX)),
    domainCount: Math.max(0, domainCount),
    policyDigest: policyDigest.slice(0, DIGEST_LENGTH_MAX),
    problem: cutText(problem, TEXT_LENGTH_MAX),
    ports: ports.filter((port) => port > 0 && port <= PORT_MAX).slice(0, PORTS_MAX),
    rateBitsPerSecond: boundedCount(network.rateBitsPerSecond),
    egressBytesMax: boundedCount(network.egressBytesMax),
    connectionsMax: boundedCount(network.connectionsMax),
  };
}

/** What a node counted for an execution, cut to bounds; a host that is told twice counts once. */
export function boundedUse(use: NetworkUse): NetworkUse {
  const hosts = new Map(use.hosts.slice(0, HOSTS_MAX).map((host) => [cutText(host.host, HOST_LENGTH_MAX), host]));
  return { hosts: [...hosts].map(([name, host]) => boundedHost(name, host)), ...boundedCounts(use) };
}

function boundedHost(host: string, use: HostUse): HostUse {
  const failed = boundedCount(use.failed ?? 0);
  const reasons = [...new Set(use.denialReasons)].filter(isReason).slice(0, LIMITS.networkDenialReasonsMax);
  return {
    host,
    rule: cutText(use.rule, HOST_LENGTH_MAX),
    reason: isReason(use.reason) ? use.reason : "",
    message: cutText(use.message, TEXT_LENGTH_MAX),
    ...boundedCounts(use),
    ...(failed > 0 && { failed }),
    ...(reasons.length > 0 && { denialReasons: reasons }),
  };
}

function isReason(text: string): boolean {
  return /^[A-Z_]{1,64}$/u.test(text);
}

type Counts = Pick<NetworkUse, "requests" | "denied" | "sentBytes" | "receivedBytes">;

function boundedCounts({ requests, denied, sentBytes, receivedBytes }: Counts): Counts {
  return {
    requests: boundedCount(requests),
    denied: boundedCount(denied),
    sentBytes: boundedCount(sentBytes),
    receivedBytes: boundedCount(receivedBytes),
  };
}

function boundedCount(count: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, count));
}

/** As many as NodeNetwork and NetworkUse say of themselves. */
const DOMAINS_MAX = 32;
const PORTS_MAX = 32;
const PORT_MAX = 65_535;
const HOSTS_MAX = 64;
/** A rule is a host and a dot in front, or a network. */
const HOST_LENGTH_MAX = 254;
const DIGEST_LENGTH_MAX = 128;
const TEXT_LENGTH_MAX = 512;
