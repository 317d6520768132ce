import { randomBytes } from "node:crypto";
import { newExecutionId, newJobId, NO_NETWORK, type Network, type Task } from "@skrei/domain";
import type { Assignment, JobTask } from "@skrei/compute-agent/ports";
import { shellScriptOf, type Program } from "./program.ts";

const MIB = 1_024 * 1_024;
const ids = { nowMs: () => Date.now(), randomBytes: () => randomBytes(10) };

/** A task that runs a program in `sh`; says only what matters to a test. */
export function aTask(program: Program | string, extra: Partial<Task> = {}): Task {
  return {
    name: "main",
    engine: {
      name: "docker",
      image: "busybox",
      entrypoint: ["sh", "-c"],
      parameters: [typeof program === "string" ? program : shellScriptOf(program)],
      workingDirectory: "",
    },
    env: {},
    inputs: [],
    outputs: [],
    resources: { cpuMillis: 100, memoryBytes: 64 * MIB, diskBytes: 64 * MIB },
    network: NO_NETWORK,
    publisher: { type: "cluster" },
    timeouts: { executionMs: 0, queueMs: 0, totalMs: 0 },
    ...extra,
  };
}

/** HTTP to these names. */
export function anHttpNetwork(...domains: readonly string[]): Network {
  return { mode: "http", domains, egressBytesMax: 0 };
}

export function aJobTask(task: Task): JobTask {
  const jobId = newJobId(ids);
  return { jobId, jobVersion: 1, jobName: jobId, partitionCount: 1, task };
}

export function anAssignment(task: Task, extra: Partial<Assignment> = {}): Assignment {
  return {
    executionId: newExecutionId(ids),
    job: aJobTask(task),
    partition: 0,
    attempt: 1,
    epoch: 1,
    desired: "run",
    verdict: "open",
    askId: "",
    isAcceptedAtOnce: true,
    ...extra,
  };
}
