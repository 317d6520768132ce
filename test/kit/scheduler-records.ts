import { NO_NODE_NETWORK } from "@skrei/domain";
import type { Execution, ExecutionId, JobId, Node, NodeId, RetryPolicy } from "@skrei/domain";

/** Records for tests: valid and boring unless told otherwise. */
export function aNode(overrides: Partial<Node> = {}): Node {
  return {
    id: "n-00000000000000000000000001" as NodeId,
    name: "node-1",
    membership: "approved",
    connection: "connected",
    isDraining: false,
    epoch: 1,
    session: "s",
    labels: {},
    engines: [{ name: "wasm", version: "1", isAvailable: true, message: "" }],
    network: NO_NODE_NETWORK,
    capacity: { cpuMillis: 4_000, memoryBytes: 2 ** 32, diskBytes: 2 ** 36 },
    version: "1",
    publicKeyBase64: "",
    joinedAtMs: 0,
    revision: 1,
    ...overrides,
  };
}

export function anExecution(overrides: Partial<Execution> = {}): Execution {
  return {
    id: "e-00000000000000000000000001" as ExecutionId,
    jobId: "j-00000000000000000000000001" as JobId,
    jobVersion: 1,
    partition: 0,
    attempt: 1,
    nodeId: "n-00000000000000000000000001" as NodeId,
    epoch: 1,
    desired: "run",
    verdict: "open",
    state: "assigned",
    createdAtMs: 0,
    ...overrides,
  };
}

export const POLICY: RetryPolicy = {
  attemptsMax: 3,
  backoffMs: 1_000,
  backoffMsMax: 60_000,
  retriesUserFailures: false,
  retryExitCodes: [],
};
