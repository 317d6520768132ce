import type { Session } from "../session.ts";

const NODES_MAX = 1_000;

/** Names by id; a node beyond the first thousand has only its id. */
export async function readNodeNames(session: Session): Promise<ReadonlyMap<string, string>> {
  const { nodes } = await session.cluster.nodes.listNodes({ pageSize: NODES_MAX });
  return new Map(nodes.map(({ nodeId, name }) => [nodeId, name]));
}
