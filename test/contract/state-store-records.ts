import {
  newExecutionId,
  newJobId,
  newNodeId,
  NO_NETWORK,
  NO_NODE_NETWORK,
  type Execution,
  type Job,
  type JobEvent,
  type JobId,
  type JobSpec,
  type Node,
} from "@skrei/domain";
import type { StateChange } from "../../services/scheduler/src/ports.ts";

let ticks = 0;
/** Ids that rise, as those of a clock do; two in one millisecond would sort by chance. */
const ids = { nowMs: () => 1_760_000_000_000 + ticks++, randomBytes: () => new Uint8Array(10).map(() => Math.floor(Math.random() * 256)) };

export function aSpec(overrides: Partial<JobSpec> = {}): JobSpec {
  return {
    name: "noop",
    namespace: "default",
    type: "batch",
    priority: 50,
    count: 1,
    labels: {},
    meta: {},
    constraints: [],
    task: {
      name: "main",
      engine: { name: "docker", image: "alpine:3.20", entrypoint: [], parameters: ["true"], workingDirectory: "" },
      env: {},
      inputs: [],
      outputs: [],
      resources: { cpuMillis: 500, memoryBytes: 2 ** 29, diskBytes: 2 ** 30 },
      network: NO_NETWORK,
      publisher: { type: "cluster" },
      timeouts: { executionMs: 60_000, queueMs: 0, totalMs: 0 },
    },
    retry: { attemptsMax: 3, backoffMs: 1_000, backoffMsMax: 60_000, retriesUserFailures: false, retryExitCodes: [] },
    ...overrides,
  };
}

export function aJob(overrides: Partial<Job> & { readonly name?: string; readonly namespace?: string } = {}): Job {
  const { name, namespace, ...rest } = overrides;
  const spec = aSpec({ ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) });
  const createdAtMs = 1_760_000_000_000;
  return {
    id: newJobId(ids),
    version: 1,
    spec,
    state: "pending",
    partitions: { waiting: 1, running: 0, completed: 0, failed: 0 },
    createdAtMs,
    submittedAtMs: createdAtMs,
    revision: 1,
    ...rest,
  };
}

export function anExecution(job: Job, overrides: Partial<Execution> = {}): Execution {
  return {
    id: newExecutionId(ids),
    jobId: job.id,
    jobVersion: job.version,
    partition: 0,
    attempt: 1,
    nodeId: newNodeId(ids),
    epoch: 1,
    desired: "run",
    verdict: "open",
    state: "assigned",
    createdAtMs: 1_760_000_000_000,
    ...overrides,
  };
}

export function aNode(overrides: Partial<Node> = {}): Node {
  return {
    id: newNodeId(ids),
    name: "node-1",
    membership: "approved",
    connection: "connected",
    isDraining: false,
    epoch: 1,
    session: "secret",
    labels: {},
    engines: [],
    network: NO_NODE_NETWORK,
    capacity: { cpuMillis: 4_000, memoryBytes: 2 ** 33, diskBytes: 2 ** 36 },
    version: "0.1.0",
    publicKeyBase64: "",
    joinedAtMs: 1_760_000_000_000,
    revision: 1,
    ...overrides,
  };
}

export function anEvent(sequence: number, jobId?: JobId): JobEvent {
  return { sequence, atMs: 1_760_000_000_000 + sequence, type: "job.submitted", ...(jobId === undefined ? {} : { jobId }) };
}

export function aChange(term: number, parts: Partial<StateChange> = {}): StateChange {
  return { term, jobs: [], executions: [], nodes: [], requests: [], events: [], removedJobIds: [], removedNodeIds: [], ...parts };
}
