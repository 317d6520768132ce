import { create } from "@bufbuild/protobuf";
import type { EgressExplanation, HostUse, Network, NetworkMode, NetworkUse, NodeNetwork } from "@skrei/domain";
import {
  NetworkUseSchema,
  type HostUse as PbHostUse,
  type NetworkUse as PbNetworkUse,
} from "@skrei/proto/skrei/execution/v1/network_use_pb.ts";
import { NetworkSchema, Network_Mode, type Network as PbNetwork } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { ExplanationSchema, type Explanation as PbExplanation } from "@skrei/proto/skrei/network/v1/explanation_pb.ts";
import { NodeNetworkSchema, type NodeNetwork as PbNodeNetwork } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { NO_NETWORK, NO_NODE_NETWORK } from "@skrei/domain";
import { reverse } from "./enum-table.ts";

export const NETWORK_MODE_TO_PROTO = {
  none: Network_Mode.NONE,
  http: Network_Mode.HTTP,
  full: Network_Mode.FULL,
} as const satisfies Record<NetworkMode, Network_Mode>;
/** Without UNSPECIFIED, which is for the caller to judge. */
export const NETWORK_MODE_FROM_PROTO = reverse<NetworkMode>(NETWORK_MODE_TO_PROTO);

/** Jobs that were stored by an earlier version have a mode alone. */
export function networkToProto({ mode, domains = [], egressBytesMax = 0 }: Pick<Network, "mode"> & Partial<Network>): PbNetwork {
  return create(NetworkSchema, { mode: NETWORK_MODE_TO_PROTO[mode], domains: [...domains], egressBytesMax: BigInt(egressBytesMax) });
}

/** Trusted form; undefined for a mode of a newer peer. Absent or without a mode is none. */
export function networkFromProto(pb: PbNetwork | undefined): Network | undefined {
  if (pb === undefined || pb.mode === Network_Mode.UNSPECIFIED) return NO_NETWORK;
  const mode = NETWORK_MODE_FROM_PROTO.get(pb.mode);
  return mode === undefined ? undefined : { mode, domains: [...pb.domains], egressBytesMax: Number(pb.egressBytesMax) };
}

/** Nodes that were stored by an earlier version have no limits. */
export function nodeNetworkToProto(network: Omit<NodeNetwork, Limit> & Partial<Pick<NodeNetwork, Limit>>): PbNodeNetwork {
  const { modes, domains, ports, rateBitsPerSecond, egressBytesMax, ...plain } = { ...NO_NODE_NETWORK, ...network };
  return create(NodeNetworkSchema, {
    ...plain,
    modes: modes.map((mode) => NETWORK_MODE_TO_PROTO[mode]),
    domains: [...domains],
    ports: [...ports],
    rateBitsPerSecond: BigInt(rateBitsPerSecond),
    egressBytesMax: BigInt(egressBytesMax),
  });
}

type Limit = "ports" | "rateBitsPerSecond" | "egressBytesMax" | "connectionsMax";

/** Modes of a newer peer are left out; nothing could be placed by them. */
export function nodeNetworkFromProto(pb: PbNodeNetwork | undefined): NodeNetwork {
  if (pb === undefined) return NO_NODE_NETWORK;
  const { domains, domainCount, policyDigest, problem, ports, connectionsMax } = pb;
  return {
    modes: pb.modes.flatMap((mode) => NETWORK_MODE_FROM_PROTO.get(mode) ?? []),
    domains: [...domains],
    domainCount,
    policyDigest,
    problem,
    ports: [...ports],
    rateBitsPerSecond: Number(pb.rateBitsPerSecond),
    egressBytesMax: Number(pb.egressBytesMax),
    connectionsMax,
  };
}

export function networkUseToProto({ hosts, requests, denied, sentBytes, receivedBytes }: NetworkUse): PbNetworkUse {
  return create(NetworkUseSchema, {
    hosts: hosts.map(({ failed = 0, denialReasons = [], ...host }) => ({
      ...host,
      failed: BigInt(failed),
      denialReasons: [...denialReasons],
      requests: BigInt(host.requests),
      denied: BigInt(host.denied),
      sentBytes: BigInt(host.sentBytes),
      receivedBytes: BigInt(host.receivedBytes),
    })),
    requests: BigInt(requests),
    denied: BigInt(denied),
    sentBytes: BigInt(sentBytes),
    receivedBytes: BigInt(receivedBytes),
  });
}

export function networkUseFromProto(pb: PbNetworkUse): NetworkUse {
  return {
    hosts: pb.hosts.map(hostUseFromProto),
    ...countsFromProto(pb),
  };
}

function hostUseFromProto({ host, rule, reason, message, failed, denialReasons, ...counts }: PbHostUse): HostUse {
  return {
    host,
    rule,
    reason,
    message,
    ...countsFromProto(counts),
    ...(failed !== 0n && { failed: Number(failed) }),
    ...(denialReasons.length > 0 && { denialReasons: [...denialReasons] }),
  };
}

type Counts = "requests" | "denied" | "sentBytes" | "receivedBytes";

function countsFromProto({ requests, denied, sentBytes, receivedBytes }: Pick<PbNetworkUse, Counts>): Pick<NetworkUse, Counts> {
  return {
    requests: Number(requests),
    denied: Number(denied),
    sentBytes: Number(sentBytes),
    receivedBytes: Number(receivedBytes),
  };
}

export function explanationToProto({ isAllowed, addresses, ...words }: EgressExplanation): PbExplanation {
  return create(ExplanationSchema, {
    ...words,
    allowed: isAllowed,
    addresses: addresses.map(({ address, addressClass, isAllowed: allowed }) => ({ address, addressClass, allowed })),
  });
}

export function explanationFromProto(pb: PbExplanation): EgressExplanation {
  const { allowed, reason, message, hint, host, port, jobRule, nodeRule } = pb;
  const addresses = pb.addresses.map(({ address, addressClass, allowed: isAllowed }) => ({ address, addressClass, isAllowed }));
  return { isAllowed: allowed, reason, message, hint, host, port, jobRule, nodeRule, addresses };
}
