import { NO_NODE_NETWORK } from "@skrei/domain";
import type { Execution, ExecutionId, HostUse, JobId, NetworkUse, Node, NodeId, RetryPolicy } from "@skrei/domain";

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

/** A count of network use by host; the totals are the sums. */
export function aUse(...hosts: readonly (Partial<HostUse> & { readonly host: string })[]): NetworkUse {
  const listed = hosts.map((host) => ({ ...NO_COUNTS, rule: "", reason: "", message: "", ...host }));
  const sum = (key: keyof typeof NO_COUNTS): number => listed.reduce((total, host) => total + host[key], 0);
  return {
    hosts: listed,
    requests: sum("requests"),
    denied: sum("denied"),
    sentBytes: sum("sentBytes"),
    receivedBytes: sum("receivedBytes"),
  };
}

const NO_COUNTS = { requests: 0, denied: 0, sentBytes: 0, receivedBytes: 0 };
