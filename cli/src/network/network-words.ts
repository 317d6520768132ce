import type { Network } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { NodeNetwork } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { networkFromProto, nodeNetworkFromProto } from "@skrei/wire/network.ts";
import { formatBytes } from "../parse/parse-bytes.ts";

const HOSTS_SHOWN = 8;

/** `none`, `full: not counted`, `http: api.example.com, .example.org; at most 10MB out`. What modules do is counted in each mode. */
export function describeNetwork(pb: Network | undefined, engine = "docker"): string {
  const network = networkFromProto(pb);
  if (network === undefined) return "of a kind that this version does not know";
  const { mode, domains, egressBytesMax } = network;
  if (mode === "full") return engine === "docker" ? "full: not counted" : "full";
  if (mode === "none") return "none";
  return `http: ${someOf(domains, domains.length)}${egressBytesMax === 0 ? "" : `; at most ${formatBytes(egressBytesMax)} out`}`;
}

/** `none`, `none http: api.example.com, .example.org and 3 more`. */
export function describeOffer(pb: NodeNetwork | undefined): string {
  const { modes, domains, domainCount } = nodeNetworkFromProto(pb);
  const list = modes.includes("http") ? `: ${domainCount === 0 ? "no host" : someOf(domains, domainCount)}` : "";
  return `${modes.join(" ") || "-"}${list}`;
}

function someOf(hosts: readonly string[], count: number): string {
  const shown = hosts.slice(0, HOSTS_SHOWN);
  return `${shown.join(", ")}${count > shown.length ? ` and ${count - shown.length} more` : ""}`;
}
