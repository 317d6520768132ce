import { timesFitting } from "@skrei/domain";
import type { JobSpec, NodeId, Reason } from "@skrei/domain";
import { demandOf, firstRefusal, fitsWhenIdle } from "./filter-nodes.ts";
import type { NodeSnapshot } from "./filter-nodes.ts";

export interface SpecPlan {
  readonly nodeId: NodeId;
  /** How many it would take now. */
  readonly partitions: number;
  /** Why not all, or none. */
  readonly reason: Reason | undefined;
  readonly message: string;
  readonly fitsWhenIdle: boolean;
  /** Bytes of a partition's inputs that it would fetch; absent when it was not asked. */
  readonly missingBytes?: number;
}

/** What each node would do with the spec now, without asking it. */
export function planSpec(spec: JobSpec, nodes: Iterable<NodeSnapshot>): readonly SpecPlan[] {
  const demand = demandOf(spec);
  return Array.from(nodes, (snapshot): SpecPlan => {
    const { node, free } = snapshot;
    const refusal = firstRefusal(demand, snapshot);
    const partitions = refusal === undefined ? timesFitting(demand.resources, free, spec.count) : 0;
    return {
      nodeId: node.id,
      partitions,
      reason: refusal?.reason ?? (partitions < spec.count ? "CAPACITY_BUSY" : undefined),
      message: refusal?.message ?? (partitions < spec.count ? `room for ${String(partitions)} of ${String(spec.count)} partitions` : ""),
      fitsWhenIdle: fitsWhenIdle(demand, node),
    };
  });
}
