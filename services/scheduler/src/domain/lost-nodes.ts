import type { Execution, Failure, Node } from "@skrei/domain";

export function isSilent(lastHeardAtMs: number, nowMs: number, heartbeatTimeoutMs: number): boolean {
  return nowMs - lastHeardAtMs > heartbeatTimeoutMs;
}

export function nodeLostFailure(node: Node, silentMs: number): Failure {
  return {
    class: "infrastructure",
    reason: "NODE_LOST",
    message: `Node ${node.name} was silent for ${String(Math.round(silentMs / 100) / 10)} s.`,
    hint: "The partition is placed again; look at the node and its connection.",
  };
}

export function nodeRejectedFailure(node: Node): Failure {
  return {
    class: "infrastructure",
    reason: "NODE_REJECTED",
    message: `An operator rejected node ${node.name}.`,
    hint: "The partition is placed again elsewhere.",
  };
}

export function agentRestartedFailure(node: Node): Failure {
  return {
    class: "infrastructure",
    reason: "AGENT_RESTARTED",
    message: `The agent of node ${node.name} no longer holds the execution.`,
    hint: "The partition is placed again.",
  };
}

/**
 * Executions that a complete report of their node does not list. One that was never observed there is not lost: the assignment
 * may still be under way and is told again.
 */
export function missingExecutions(believed: Iterable<Execution>, reportedIds: ReadonlySet<string>): readonly Execution[] {
  return [...believed].filter(({ id, state }) => state !== "assigned" && !reportedIds.has(id));
}
