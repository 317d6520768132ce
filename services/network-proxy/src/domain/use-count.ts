import { denialReasonsOf, LIMITS } from "@skrei/domain";
import type { HostUse, NetworkUse } from "@skrei/domain";
import type { Denial } from "./denial.ts";

export const NO_NETWORK_USE: NetworkUse = { hosts: [], requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0 };

/** Counts the bytes of one request or tunnel; cheap enough for each chunk. */
export interface ByteCount {
  addSent(bytes: number): void;
  addReceived(bytes: number): void;
}

/** What one execution does through its door. Hosts are the first 64 that were asked for; totals include the others. */
export class UseCount {
  readonly #total: Counts;
  readonly #hosts: Map<string, HostCounts>;
  #revision = 0;

  /** Goes on from what was counted before a restart. */
  constructor(before: NetworkUse = NO_NETWORK_USE) {
    this.#total = countsOf(before);
    this.#hosts = new Map(before.hosts.map((use) => [use.host, hostCountsOf(use)]));
  }

  /** A request or tunnel that is let through by this rule of the job. */
  allow(host: string, rule: string): ByteCount {
    const counts = this.#hostCounts(host);
    this.#revision += 1;
    this.#total.requests += 1;
    if (counts !== undefined) {
      counts.requests += 1;
      counts.rule = rule;
    }
    return {
      addSent: (bytes) => this.#add(counts, "sentBytes", bytes),
      addReceived: (bytes) => this.#add(counts, "receivedBytes", bytes),
    };
  }

  /** A refusal, or a cut by a rule. True when it is the first for its reason of a host that is listed: worth telling at once. */
  deny({ host, reason, message }: Words): boolean {
    const counts = this.#hostCounts(host);
    this.#revision += 1;
    this.#total.denied += 1;
    if (counts === undefined) return false;
    counts.denied += 1;
    counts.reason = reason;
    counts.message = message;
    if (counts.denialReasons.includes(reason) || counts.denialReasons.length >= LIMITS.networkDenialReasonsMax) return false;
    counts.denialReasons.push(reason);
    return true;
  }

  /** Something that was let through and that its origin failed. */
  fail({ host, reason, message }: Words): void {
    const counts = this.#hostCounts(host);
    this.#revision += 1;
    if (counts === undefined) return;
    counts.failed += 1;
    counts.reason = reason;
    counts.message = message;
  }

  /** Over all hosts; what quotas are held against. */
  get sentBytes(): number {
    return this.#total.sentBytes;
  }

  /** Another one than before when anything was counted in between. */
  get revision(): number {
    return this.#revision;
  }

  get use(): NetworkUse {
    return { ...this.#total, hosts: [...this.#hosts].map(([host, counts]) => hostUseOf(host, counts)) };
  }

  #add(counts: HostCounts | undefined, key: "sentBytes" | "receivedBytes", bytes: number): void {
    this.#revision += 1;
    this.#total[key] += bytes;
    if (counts !== undefined) counts[key] += bytes;
  }

  #hostCounts(host: string): HostCounts | undefined {
    const known = this.#hosts.get(host);
    if (known !== undefined || this.#hosts.size >= LIMITS.networkHostsMax) return known;
    const counts = hostCountsOf({ ...NO_NETWORK_USE, rule: "", reason: "", message: "" });
    this.#hosts.set(host, counts);
    return counts;
  }
}

type Words = Pick<Denial, "host" | "reason" | "message">;

interface Counts {
  requests: number;
  denied: number;
  sentBytes: number;
  receivedBytes: number;
}

interface HostCounts extends Counts {
  rule: string;
  reason: string;
  message: string;
  failed: number;
  denialReasons: string[];
}

function hostCountsOf(use: Omit<HostUse, "host">): HostCounts {
  const { rule, reason, message, failed = 0 } = use;
  return { ...countsOf(use), rule, reason, message, failed, denialReasons: [...denialReasonsOf(use)] };
}

function hostUseOf(host: string, { failed, denialReasons, ...counts }: HostCounts): HostUse {
  return { host, ...counts, ...(failed > 0 && { failed }), ...(denialReasons.length > 0 && { denialReasons: [...denialReasons] }) };
}

function countsOf({ requests, denied, sentBytes, receivedBytes }: Counts): Counts {
  return { requests, denied, sentBytes, receivedBytes };
}
