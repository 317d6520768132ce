/** What a task may reach: loopback only; HTTP and HTTPS to a list through the node's proxy; outbound to public addresses. */
export type NetworkMode = "none" | "http" | "full";

export interface Network {
  readonly mode: NetworkMode;
  /** For http: canonical rules, see `parseHostRule`. Empty otherwise. */
  readonly domains: readonly string[];
  /** For http: what one execution may send out in all; 0 is no limit but the node's own. */
  readonly egressBytesMax: number;
}

export const NO_NETWORK: Network = { mode: "none", domains: [], egressBytesMax: 0 };

/** What a node's network-proxy offers, as the node tells of it. The list itself stays with the proxy, which judges asks. */
export interface NodeNetwork {
  readonly modes: readonly NetworkMode[];
  /** The first 32 entries of the operator's list. */
  readonly domains: readonly string[];
  readonly domainCount: number;
  /** Changes when the policy does. */
  readonly policyDigest: string;
  /** What is wrong with the newest policy file, which is not in force then; empty if nothing is. */
  readonly problem: string;
  /** Of origins; the first 32. */
  readonly ports: readonly number[];
  /** Of one execution in each direction; 0 is no limit. */
  readonly rateBitsPerSecond: number;
  /** What one execution may send out in all; 0 is no limit. */
  readonly egressBytesMax: number;
  /** Of one execution at once; 0 when the node does not tell its limits. */
  readonly connectionsMax: number;
}

export const NO_NODE_NETWORK: NodeNetwork = {
  modes: ["none"],
  domains: [],
  domainCount: 0,
  policyDigest: "",
  problem: "",
  ports: [],
  rateBitsPerSecond: 0,
  egressBytesMax: 0,
  connectionsMax: 0,
};

/** What an execution did through its door. Totals include hosts beyond the 64 that are listed. */
export interface NetworkUse {
  /** In the order in which they were first asked for. */
  readonly hosts: readonly HostUse[];
  /** Let through. */
  readonly requests: number;
  /** Refused, or cut by a rule. */
  readonly denied: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface HostUse {
  readonly host: string;
  readonly requests: number;
  readonly denied: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The job's rule that let the last one through; empty if none did. */
  readonly rule: string;
  /** EGRESS_… of what went wrong last, a refusal or a failure of the origin, and in words; empty if nothing did. */
  readonly reason: string;
  readonly message: string;
  /** Of the requests: those that the origin failed. Absent if there were none. */
  readonly failed?: number;
  /** The different reasons of refusals, first ones first, 8 at most. Absent if there were none, and from earlier versions. */
  readonly denialReasons?: readonly string[];
}

/** Why requests to the host were refused; of a count of an earlier version the last reason alone. */
export function denialReasonsOf({
  denied,
  reason,
  denialReasons,
}: Pick<HostUse, "denied" | "reason" | "denialReasons">): readonly string[] {
  return denialReasons ?? (denied > 0 && reason !== "" ? [reason] : []);
}

/** What a network-proxy would say to one request, and why. */
export interface EgressExplanation {
  readonly isAllowed: boolean;
  /** EGRESS_…; empty when allowed. */
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
  readonly host: string;
  readonly port: number;
  /** The rule of the job's list that matches, and of the node's; empty if none does. */
  readonly jobRule: string;
  readonly nodeRule: string;
  readonly addresses: readonly ResolvedAddress[];
}

export interface ResolvedAddress {
  readonly address: string;
  readonly addressClass: string;
  readonly isAllowed: boolean;
}
