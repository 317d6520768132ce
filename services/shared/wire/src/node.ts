import { create } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import type { Connection, EngineName, Membership, Node, NodeEngine, NodeId, NodeNetwork, Resources } from "@skrei/domain";
import { EngineSchema, NodeSchema, Node_Connection, Node_Membership } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import type { Engine as PbEngine, Node as PbNode } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { NO_NODE_NETWORK } from "@skrei/domain";
import { reverse } from "./enum-table.ts";
import { nodeNetworkFromProto, nodeNetworkToProto } from "./network.ts";
import { resourcesFromProto, resourcesToProto } from "./resources.ts";
import { msFromTimestamp, msOrZero, timestampFromMs } from "./time.ts";

export const MEMBERSHIP_TO_PROTO = {
  pending: Node_Membership.PENDING,
  approved: Node_Membership.APPROVED,
  rejected: Node_Membership.REJECTED,
} as const satisfies Record<Membership, Node_Membership>;

export const CONNECTION_TO_PROTO = {
  connected: Node_Connection.CONNECTED,
  lost: Node_Connection.LOST,
} as const satisfies Record<Connection, Node_Connection>;

const MEMBERSHIP_FROM_PROTO = reverse<Membership>(MEMBERSHIP_TO_PROTO);
const CONNECTION_FROM_PROTO = reverse<Connection>(CONNECTION_TO_PROTO);

/** A node with what changes too often to be stored. */
export interface NodeView {
  readonly node: Node;
  readonly allocated: Resources;
  readonly executions: number;
  readonly heartbeatAtMs: number | undefined;
}

/** What a node says of itself when it joins. */
export interface NodeDescription {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly engines: readonly NodeEngine[];
  readonly network: NodeNetwork;
  readonly capacity: Resources;
  readonly version: string;
  readonly publicKeyBase64: string;
}

/** The session, which is a secret, stays here. */
export function nodeToProto({ node, allocated, executions, heartbeatAtMs }: NodeView): PbNode {
  return create(NodeSchema, {
    nodeId: node.id,
    name: node.name,
    membership: MEMBERSHIP_TO_PROTO[node.membership],
    connection: CONNECTION_TO_PROTO[node.connection],
    draining: node.isDraining,
    epoch: BigInt(node.epoch),
    labels: node.labels,
    engines: node.engines.map(nodeEngineToProto),
    // Nodes that were stored by an earlier version have none.
    network: nodeNetworkToProto(node.network ?? NO_NODE_NETWORK),
    capacity: resourcesToProto(node.capacity),
    allocated: resourcesToProto(allocated),
    executions,
    ...(heartbeatAtMs !== undefined && { heartbeatTime: timestampFromMs(heartbeatAtMs) }),
    joinTime: timestampFromMs(node.joinedAtMs),
    version: node.version,
    publicKey: base64Decode(node.publicKeyBase64),
  });
}

/** For clients: `session` is empty and `revision` 0. Unknown memberships read as pending, unknown connections as lost. */
export function nodeFromProto(pb: PbNode): NodeView {
  const { nodeId, ...description } = nodeDescriptionFromProto(pb);
  return {
    node: {
      ...description,
      id: nodeId,
      membership: membershipFromProto(pb.membership),
      connection: CONNECTION_FROM_PROTO.get(pb.connection) ?? "lost",
      isDraining: pb.draining,
      epoch: Number(pb.epoch),
      session: "",
      joinedAtMs: msOrZero(pb.joinTime),
      revision: 0,
    },
    allocated: resourcesFromProto(pb.allocated),
    executions: pb.executions,
    heartbeatAtMs: pb.heartbeatTime === undefined ? undefined : msFromTimestamp(pb.heartbeatTime),
  };
}

export function membershipFromProto(membership: Node_Membership): Membership {
  return MEMBERSHIP_FROM_PROTO.get(membership) ?? "pending";
}

export function nodeDescriptionToProto(description: NodeDescription): PbNode {
  const { nodeId, name, labels, engines, network, capacity, version, publicKeyBase64 } = description;
  return create(NodeSchema, {
    nodeId,
    name,
    labels,
    engines: engines.map(nodeEngineToProto),
    network: nodeNetworkToProto(network),
    capacity: resourcesToProto(capacity),
    version,
    publicKey: base64Decode(publicKeyBase64),
  });
}

/** Trusted form; the scheduler's API validates before. */
export function nodeDescriptionFromProto(pb: PbNode): NodeDescription {
  return {
    nodeId: pb.nodeId as NodeId,
    name: pb.name,
    labels: { ...pb.labels },
    engines: nodeEnginesFromProto(pb.engines),
    network: nodeNetworkFromProto(pb.network),
    capacity: resourcesFromProto(pb.capacity),
    version: pb.version,
    publicKeyBase64: base64Encode(pb.publicKey),
  };
}

export function nodeEngineToProto({ name, version, isAvailable, message }: NodeEngine): PbEngine {
  return create(EngineSchema, { name, version, available: isAvailable, message });
}

/** Engines that do not exist here are left out: nothing could be placed on them. */
export function nodeEnginesFromProto(engines: readonly PbEngine[]): readonly NodeEngine[] {
  return engines.flatMap(({ name, version, available, message }) =>
    isEngineName(name) ? [{ name, version, isAvailable: available, message }] : [],
  );
}

const ENGINE_NAMES = { docker: true, wasm: true } as const satisfies Record<EngineName, true>;

function isEngineName(name: string): name is EngineName {
  return Object.hasOwn(ENGINE_NAMES, name);
}
