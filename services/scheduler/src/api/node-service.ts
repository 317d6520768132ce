import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Node } from "@skrei/domain";
import { ListNodesResponseSchema } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import type { ListNodesRequest, ListNodesResponse, NodeService } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import type { Node as PbNode } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { nodeToProto } from "@skrei/wire/node.ts";
import type { NodeView } from "../ports.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findNode } from "./find-node.ts";
import { cursorOf, pageSizeOf, pageTokenFor } from "./page.ts";
import { watchNodes } from "./watch-nodes.ts";
import { WatchPlaces } from "./watch-places.ts";

export function createNodeService(deps: SchedulerApiDeps): ServiceImpl<typeof NodeService> {
  const { commands } = deps;
  const watched = { ...deps, places: new WatchPlaces("WatchNodes") };
  return {
    listNodes: (request) => listNodes(deps, request),
    getNode: ({ nodeId }) => ({ node: nodeToProto(findNode(commands, nodeId)) }),
    watchNodes: (_request, context) => watchNodes(watched, context.signal),
    approveNode: async ({ nodeId }) => answer(deps, await commands.setMembership(findNode(commands, nodeId).node.id, "approved")),
    rejectNode: async ({ nodeId }) => answer(deps, await commands.setMembership(findNode(commands, nodeId).node.id, "rejected")),
    drainNode: async ({ nodeId, drain }) => answer(deps, await commands.setDraining(findNode(commands, nodeId).node.id, drain)),
  };
}

function listNodes({ commands }: SchedulerApiDeps, { pageSize, pageToken }: ListNodesRequest): ListNodesResponse {
  const limit = pageSizeOf(pageSize);
  const cursor = cursorOf(SCOPE, pageToken, String) ?? "";
  const after = commands
    .nodes()
    .map((view) => ({ key: `${view.node.name}\n${view.node.id}`, view }))
    .filter(({ key }) => key > cursor)
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const page = after.slice(0, limit);
  const last = after.length > limit ? page.at(-1) : undefined;
  return create(ListNodesResponseSchema, {
    nodes: page.map(({ view }) => nodeToProto(view)),
    nextPageToken: last === undefined ? "" : pageTokenFor(SCOPE, last.key),
  });
}

/** The node after a change, with what the leader knows of it besides. */
function answer({ commands }: SchedulerApiDeps, node: Node): { node: PbNode } {
  const view: NodeView | undefined = commands.nodes().find((candidate) => candidate.node.id === node.id);
  const nothing = { allocated: { cpuMillis: 0, memoryBytes: 0, diskBytes: 0 }, executions: 0, heartbeatAtMs: undefined };
  return { node: nodeToProto({ ...(view ?? nothing), node }) };
}

const SCOPE = ["nodes"];
