import { create } from "@bufbuild/protobuf";
import { DomainError, hasReason } from "@skrei/domain";
import type { Node } from "@skrei/domain";
import { GetDataStateResponse_NodeDataSchema, GetDataStateResponseSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type {
  GetDataStateRequest,
  GetDataStateResponse,
  GetDataStateResponse_NodeData as NodeData,
} from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { GetStoreStateResponse } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { cacheStateToProto, storeStateToProto } from "@skrei/wire/data-state.ts";
import { inTurns } from "../domain/in-turns.ts";
import { contentStoreOf } from "./content-store-of.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findNode } from "./find-node.ts";
import { knownNodes } from "./known-nodes.ts";

/** The cluster's store and the nodes, asked at once; one that cannot be asked says so in its place. */
export async function getDataState(
  deps: SchedulerApiDeps,
  { nodeId }: GetDataStateRequest,
  signal: AbortSignal,
): Promise<GetDataStateResponse> {
  if (nodeId !== "") {
    const node = await describeNode(deps, findNode(deps.commands, nodeId).node, signal);
    return create(GetDataStateResponseSchema, { nodes: [node] });
  }
  const connected = (await knownNodes(deps))
    .filter(({ connection }) => connection === "connected")
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, NODES_MAX);
  const [store, nodes] = await Promise.all([
    clusterStore(deps, signal),
    inTurns(connected, ASKED_AT_ONCE, (node) => describeNode(deps, node, signal)),
  ]);
  return create(GetDataStateResponseSchema, { ...(store !== undefined && { store }), nodes });
}

async function clusterStore(deps: SchedulerApiDeps, signal: AbortSignal): Promise<GetStoreStateResponse | undefined> {
  try {
    return storeStateToProto(await contentStoreOf(deps).state(signal));
  } catch (error) {
    if (signal.aborted || !(hasReason(error, "UPSTREAM_UNAVAILABLE") || hasReason(error, "FEATURE_NOT_AVAILABLE"))) throw error;
    return undefined;
  }
}

async function describeNode({ agents }: SchedulerApiDeps, node: Node, signal: AbortSignal): Promise<NodeData> {
  const { id: nodeId, name: nodeName, session } = node;
  const withProblem = (problem: string): NodeData => create(GetDataStateResponse_NodeDataSchema, { nodeId, nodeName, problem });
  if (node.connection !== "connected") return withProblem(`Node ${nodeName} is not connected.`);
  try {
    const { cache, store } = await agents.describeData({ nodeId, session }, signal);
    return create(GetDataStateResponse_NodeDataSchema, {
      nodeId,
      nodeName,
      ...(cache !== undefined && { cache: cacheStateToProto(cache) }),
      ...(store !== undefined && { store: storeStateToProto(store) }),
      problem: cache === undefined ? `The storage-fetcher of node ${nodeName} does not answer.` : "",
    });
  } catch (error) {
    if (signal.aborted || !(error instanceof DomainError)) throw error;
    return withProblem(error.message);
  }
}

const NODES_MAX = 1_000;
/** With two seconds for each, a thousand nodes that are silent are through in half a minute. */
const ASKED_AT_ONCE = 64;
