import { deny } from "./denial.ts";
import type { Denial } from "./denial.ts";

export interface QuotaQuestion {
  /** What the job asked for, and what this node allows; 0 is no limit. */
  readonly jobMax: number;
  readonly nodeMax: number;
  readonly sentBytes: number;
  /** Wanted now. */
  readonly bytes: number;
}

/** When `bytes` more would be too many. */
export function quotaDenial(host: string, { jobMax, nodeMax, sentBytes, bytes }: QuotaQuestion): Denial | undefined {
  const isOfNode = nodeMax > 0 && (jobMax === 0 || nodeMax <= jobMax);
  const limit = isOfNode ? nodeMax : jobMax;
  if (limit === 0 || sentBytes + bytes <= limit) return undefined;
  const whose = isOfNode ? "this node" : "the job";
  const message =
    sentBytes >= limit
      ? `The execution has sent ${sentBytes} bytes, and ${limit} is the limit of ${whose}.`
      : `The execution has sent ${sentBytes} bytes, and ${bytes} more to ${host} would be over ${limit}, the limit of ${whose}.`;
  return deny(host, "EGRESS_QUOTA_EXCEEDED", { message, hint: isOfNode ? NODE_HINT : jobHint(nodeMax) });
}

const NODE_HINT = "Send less, or ask the node's operator for a larger egressBytesMax.";

function jobHint(nodeMax: number): string {
  const end = nodeMax > 0 ? `, up to the ${nodeMax} of this node.` : ".";
  return `Send less, or ask for more: --egress-max, network.egressBytesMax of the job${end}`;
}
