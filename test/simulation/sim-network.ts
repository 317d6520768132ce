import { NO_NODE_NETWORK } from "@skrei/domain";
import type { Network, NetworkUse, NodeNetwork, Reason } from "@skrei/domain";

/** Why the proxy does not take the network of a task, or undefined when it does. */
export function judgeNetwork(offered: NodeNetwork, { mode, domains }: Network): { reason: Reason; message: string } | undefined {
  if (mode === "none") return undefined;
  if (!offered.modes.includes(mode)) return { reason: "NETWORK_MODE_NOT_OFFERED", message: `does not offer ${mode}` };
  const missing = domains.filter((domain) => !offered.domains.includes(domain));
  return missing.length === 0 ? undefined : { reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: `does not allow ${missing.join(", ")}` };
}

/** What a proxy with this list offers; without a list, mode none alone. */
export function offerOf(domains: readonly string[] | undefined): NodeNetwork {
  if (domains === undefined) return NO_NODE_NETWORK;
  return { ...NO_NODE_NETWORK, modes: ["none", "http"], domains, domainCount: domains.length, policyDigest: domains.join() };
}

/** The count after one more request. */
export function countRequest(use: NetworkUse, host: string, isAllowed: boolean): NetworkUse {
  const counts = isAllowed ? { requests: 1, denied: 0, sentBytes: 100, receivedBytes: 1_000 } : { ...NO_COUNTS, denied: 1 };
  const words = isAllowed
    ? { rule: host, reason: "", message: "" }
    : { rule: "", reason: NOT_LISTED, message: `${host} is not on the list` };
  const known = use.hosts.find((one) => one.host === host);
  const hosts =
    known === undefined
      ? [...use.hosts, { host, ...words, ...counts }]
      : use.hosts.map((one) => (one === known ? { ...one, ...words, ...sum(one, counts) } : one));
  return { hosts, ...sum(use, counts) };
}

type Counts = Omit<NetworkUse, "hosts">;

function sum(a: Counts, b: Counts): Counts {
  return {
    requests: a.requests + b.requests,
    denied: a.denied + b.denied,
    sentBytes: a.sentBytes + b.sentBytes,
    receivedBytes: a.receivedBytes + b.receivedBytes,
  };
}

const NO_COUNTS: Counts = { requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0 };
export const NO_USE: NetworkUse = { hosts: [], ...NO_COUNTS };
const NOT_LISTED = "EGRESS_HOST_NOT_ON_JOB_LIST";
