import type { HostUse, NetworkUse } from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

/** What an execution did with one host. */
export interface HostRow {
  readonly host: string;
  readonly requests: number;
  readonly denied: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The rule of the job's list, empty if none let anything through. */
  readonly rule: string;
  /** Reason and words of the last refusal or failure; empty if there was none. */
  readonly reason: string;
  readonly message: string;
}

type Counts = Pick<HostRow, "requests" | "denied" | "sentBytes" | "receivedBytes">;

/** A row a host, and one for the hosts beyond the first 64, which are counted in the totals only. */
export function hostRows(use: NetworkUse | undefined): readonly HostRow[] {
  if (use === undefined) return [];
  const rows = use.hosts.map((host) => ({
    host: host.host,
    ...countsOf(host),
    rule: host.rule,
    reason: host.reason,
    message: host.message,
  }));
  const listed = sumOf(rows);
  const all = countsOf(use);
  const rest = {
    requests: all.requests - listed.requests,
    denied: all.denied - listed.denied,
    sentBytes: all.sentBytes - listed.sentBytes,
    receivedBytes: all.receivedBytes - listed.receivedBytes,
  };
  if (rest.requests <= 0 && rest.denied <= 0) return rows;
  return [...rows, { host: "(further hosts)", ...rest, rule: "", reason: "", message: "" }];
}

export function sumOf(rows: readonly Counts[]): Counts {
  const sum = { requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0 };
  for (const { requests, denied, sentBytes, receivedBytes } of rows) {
    sum.requests += requests;
    sum.denied += denied;
    sum.sentBytes += sentBytes;
    sum.receivedBytes += receivedBytes;
  }
  return sum;
}

/** `12 allowed, 1 denied, 3kB sent, 1.2MB received`. */
export function describeCounts({ requests, denied, sentBytes, receivedBytes }: Counts): string {
  return `${requests} allowed, ${denied} denied, ${formatBytes(sentBytes)} sent, ${formatBytes(receivedBytes)} received`;
}

function countsOf({ requests, denied, sentBytes, receivedBytes }: Pick<HostUse, keyof Counts>): Counts {
  return {
    requests: Number(requests),
    denied: Number(denied),
    sentBytes: Number(sentBytes),
    receivedBytes: Number(receivedBytes),
  };
}
