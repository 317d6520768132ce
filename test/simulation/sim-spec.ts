import { NO_NETWORK } from "@skrei/domain";
import type { JobSpec, Network, Resources, Timeouts } from "@skrei/domain";

export interface SimSpec extends Partial<Omit<JobSpec, "task">> {
  readonly resources?: Resources;
  readonly timeouts?: Timeouts;
  readonly network?: Network;
}

/** A job that matters only where the test says so. */
export function aSpec({ resources, timeouts, network, ...spec }: SimSpec = {}): JobSpec {
  return {
    name: "sim",
    namespace: "default",
    type: "batch",
    priority: 0,
    count: 1,
    labels: {},
    meta: {},
    constraints: [],
    retry: { attemptsMax: 3, backoffMs: 100, backoffMsMax: 1_000, retriesUserFailures: false, retryExitCodes: [] },
    ...spec,
    task: {
      name: "main",
      engine: { name: "wasm", entryModule: "/main.wasm", entrypoint: "_start", parameters: [] },
      env: {},
      inputs: [],
      outputs: [],
      resources: resources ?? { cpuMillis: 500, memoryBytes: 2 ** 28, diskBytes: 2 ** 30 },
      network: network ?? NO_NETWORK,
      publisher: { type: "cluster" },
      timeouts: timeouts ?? { executionMs: 60_000, queueMs: 0, totalMs: 0 },
    },
  };
}
