import type { NodeReason, Reason, Waiting } from "@skrei/domain";
import { firstRefusal, fitsWhenIdle } from "./filter-nodes.ts";
import { isLasting } from "./lasting-reasons.ts";
import type { Backoff } from "./partition-table.ts";
import type { Demand, NodeSnapshot, Refusal } from "./filter-nodes.ts";

export interface WaitingQuestion {
  readonly demand: Demand;
  readonly partitions: number;
  /** Partitions that wait before their next attempt. */
  readonly partitionsInBackoff: number;
  /** One of their waits. */
  readonly backoff?: Backoff | undefined;
  readonly nodes: Iterable<NodeSnapshot>;
  /** What nodes answered when they were asked, by node id. */
  readonly refusals: ReadonlyMap<string, Refusal>;
  readonly nowMs: number;
}

/** Why partitions wait: each node's first reason, counted, most frequent first. What lists lack is counted list by list. */
export function explainWaiting(question: WaitingQuestion): Waiting {
  const { demand, partitions, partitionsInBackoff, nodes, refusals, nowMs } = question;
  const groups: Groups = new Map();
  let nodeCount = 0;
  let isAnyFitting = false;
  for (const snapshot of nodes) {
    nodeCount++;
    const answer = refusals.get(snapshot.node.id);
    isAnyFitting ||= fitsWhenIdle(demand, snapshot.node) && !isLasting(answer?.reason);
    const refusal = firstRefusal(demand, snapshot) ?? answer;
    if (refusal !== undefined) count(groups, refusal);
  }
  const ranked: NodeReason[] = [...groups.values()].sort((a, b) => b.nodes - a.nodes);
  if (partitionsInBackoff > 0) {
    ranked.push({ reason: "RETRY_BACKOFF", message: describeBackoff(question), nodes: 0 });
  }
  return { partitions, nodes: nodeCount, reasons: ranked, evaluatedAtMs: nowMs, isImpossible: nodeCount > 0 && !isAnyFitting };
}

/** `3 nodes: CAPACITY_BUSY (wants 2 cores, 0.5 free); 1 node: NODE_DRAINING (…)`. */
export function describeWaiting({ nodes, reasons, partitions }: Waiting): string {
  const wait = `${String(partitions)} ${partitions === 1 ? "partition waits" : "partitions wait"}`;
  if (nodes === 0) return `${wait}; no node has joined`;
  const parts = reasons.map(({ reason, message, nodes: count }) =>
    count === 0 ? message : `${String(count)} ${count === 1 ? "node" : "nodes"}: ${reason} (${message})`,
  );
  return [wait, ...parts].join("; ");
}

/** Whether people would read something else; counts and numbers alone do not make news. */
export function hasOtherReasons(before: Waiting | undefined, after: Waiting): boolean {
  return before === undefined || outline(before) !== outline(after);
}

type Groups = Map<string, { readonly reason: Reason; readonly message: string; nodes: number }>;

function count(groups: Groups, { reason, message }: Refusal): void {
  const group = groupOf({ reason, message });
  const key = groups.has(group) || groups.size < GROUPS_MAX ? group : reason;
  const known = groups.get(key);
  if (known === undefined) groups.set(key, { reason, message, nodes: 1 });
  else known.nodes++;
}

function describeBackoff({ partitionsInBackoff, backoff }: WaitingQuestion): string {
  const wait = partitionsInBackoff === 1 ? "1 partition waits before its" : `${String(partitionsInBackoff)} partitions wait before their`;
  if (backoff === undefined) return `${wait} next attempt`;
  const { untilMs, failure } = backoff;
  const why = failure === undefined ? "" : `, after ${failure.reason} (${failure.message})`;
  return `${wait} next attempt at ${new Date(untilMs).toISOString()}${why}`;
}

function outline({ reasons, isImpossible, nodes }: Waiting): string {
  const names = [...new Set(reasons.map(groupOf))].sort();
  return `${String(isImpossible)} ${String(nodes === 0)} ${names.join()}`;
}

/** What a list lacks does not change by itself, so it is told apart and its change is news. */
function groupOf({ reason, message }: Refusal): string {
  return reason === "NETWORK_DOMAIN_NOT_ALLOWED" ? `${reason} ${message}` : reason;
}

/** Nodes whose lists lack other domains are told apart up to so many groups; people read no more. */
const GROUPS_MAX = 12;
