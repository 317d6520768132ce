import { create, equals } from "@bufbuild/protobuf";
import type { Node as PbNode } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { NodeSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { WatchNodesResponseSchema } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import type { WatchNodesResponse } from "@skrei/proto/skrei/node/v1/node_service_pb.ts";
import { nodeToProto } from "@skrei/wire/node.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { watchByLooking } from "./watch-by-looking.ts";
import type { WatchPlaces } from "./watch-places.ts";

/** All nodes, `synced`, then what differs from what this reader has; an empty message every 5 s. Memory: one message a node. */
export async function* watchNodes(
  { commands, clock, places }: SchedulerApiDeps & { readonly places: WatchPlaces },
  signal: AbortSignal,
): AsyncGenerator<WatchNodesResponse> {
  using _place = places.take(signal);
  const sent = new Map<string, PbNode>();
  yield* watchByLooking(
    { clock, signal },
    {
      waitForChange: (until) => commands.waitForNodes(until),
      look: () => differences(commands.nodes().map(nodeToProto), sent),
      mark: (synced) => create(WatchNodesResponseSchema, { synced }),
    },
  );
}

function* differences(nodes: readonly PbNode[], sent: Map<string, PbNode>): Generator<WatchNodesResponse> {
  const changed = nodes.filter((node) => {
    const known = sent.get(node.nodeId);
    return known === undefined || !equals(NodeSchema, known, node);
  });
  const present = new Set(nodes.map(({ nodeId }) => nodeId));
  const removedNodeIds = [...sent.keys()].filter((nodeId) => !present.has(nodeId));
  for (const node of changed) sent.set(node.nodeId, node);
  for (const nodeId of removedNodeIds) sent.delete(nodeId);
  for (let from = 0; from < changed.length; from += BATCH) {
    yield create(WatchNodesResponseSchema, { nodes: changed.slice(from, from + BATCH) });
  }
  if (removedNodeIds.length > 0) yield create(WatchNodesResponseSchema, { removedNodeIds });
}

const BATCH = 500;
