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

/** `none`, `none, http (api.example.com, .example.org and 3 more), full`. */
export function describeOffer(pb: NodeNetwork | undefined): string {
  const { modes, domains, domainCount } = nodeNetworkFromProto(pb);
  const list = domainCount === 0 ? "no host" : someOf(domains, domainCount);
  return modes.map((mode) => (mode === "http" ? `http (${list})` : mode)).join(", ") || "-";
}

/** `80, 443`; empty where no mode has ports, or the node does not tell. */
export function describePorts(pb: NodeNetwork | undefined): string {
  return isTelling(pb) ? pb.ports.join(", ") : "";
}

/** `10 Mbit/s each way, 256 connections, 10MB out, each for one execution`; empty where nothing is limited, or the node does not tell. */
export function describeLimits(pb: NodeNetwork | undefined): string {
  if (!isTelling(pb)) return "";
  const rate = Number(pb.rateBitsPerSecond);
  const out = Number(pb.egressBytesMax);
  const rateText = rate === 0 ? "no rate" : `${formatBitRate(rate)} each way`;
  return `${rateText}, ${pb.connectionsMax} connections${out === 0 ? "" : `, ${formatBytes(out)} out`}, for one execution`;
}

function isTelling(pb: NodeNetwork | undefined): pb is NodeNetwork {
  return pb !== undefined && pb.connectionsMax > 0 && nodeNetworkFromProto(pb).modes.some((mode) => mode !== "none");
}

function formatBitRate(bitsPerSecond: number): string {
  const [unit, size] = RATES.find(([, one]) => bitsPerSecond >= one) ?? RATE_SMALLEST;
  return `${Number((bitsPerSecond / size).toFixed(1))} ${unit}`;
}

const RATE_SMALLEST = ["bit/s", 1] as const;
const RATES = [["Gbit/s", 1e9], ["Mbit/s", 1e6], ["kbit/s", 1e3], RATE_SMALLEST] as const;

function someOf(hosts: readonly string[], count: number): string {
  const shown = hosts.slice(0, HOSTS_SHOWN);
  return `${shown.join(", ")}${count > shown.length ? ` and ${count - shown.length} more` : ""}`;
}
