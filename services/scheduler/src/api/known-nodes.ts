import { hasReason } from "@skrei/domain";
import type { Node } from "@skrei/domain";
import type { SchedulerApiDeps } from "./deps.ts";

/** All nodes; a replica that does not lead reads them from the store. */
export async function knownNodes({ commands, store }: Pick<SchedulerApiDeps, "commands" | "store">): Promise<readonly Node[]> {
  try {
    return commands.nodes().map(({ node }) => node);
  } catch (error) {
    if (hasReason(error, "NOT_LEADER")) return store.listNodes();
    throw error;
  }
}
