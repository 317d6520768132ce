import type { ExecutionId, JobId, NodeId, Task } from "@skrei/domain";
import { expect, test } from "vitest";
import type { Assignment } from "./assignment.ts";
import { buildRunSpec, outputFolderName, type PreparedParts } from "./run-spec.ts";

const task = {
  name: "main",
  engine: { name: "docker", image: "busybox:1", entrypoint: [], parameters: [], workingDirectory: "" },
  env: { GREETING: "hello", http_proxy: "mine", SKREI_JOB_ID: "forged" },
  inputs: [{ alias: "", target: "/in", source: { type: "local", path: "/data" } }],
  outputs: [{ name: "results", path: "/out" }],
  resources: { cpuMillis: 1, memoryBytes: 2, diskBytes: 3 },
  network: { mode: "http", domains: ["example.com"], egressBytesMax: 0 },
  publisher: { type: "cluster" },
  timeouts: { executionMs: 4, queueMs: 0, totalMs: 0 },
} as const satisfies Task;

const assignment = {
  executionId: "e-1" as ExecutionId,
  job: { jobId: "j-1" as JobId, jobVersion: 1, jobName: "a job", partitionCount: 8, task },
  partition: 3,
  attempt: 1,
  epoch: 5,
  desired: "run",
  verdict: "open",
  askId: "",
  isAcceptedAtOnce: true,
} as const satisfies Assignment;

const parts: PreparedParts = {
  nodeId: "n-1" as NodeId,
  inputs: [{ path: "/cache/1", isWritable: false }],
  inputsFile: "",
  outputsFolder: "/node/outputs",
  scratchFolder: "/node/scratch",
  door: {
    mode: "http",
    env: { http_proxy: "door" },
    socketPath: "/doors/e-1.sock",
    credential: "e-1:secret",
    deniedNetworks: [],
  },
};

test("a task sees its inputs read-only and its outputs writable", () => {
  expect(buildRunSpec(assignment, parts)).toMatchObject({
    mounts: [
      { hostPath: "/cache/1", target: "/in", isReadOnly: true, isHostData: true },
      { hostPath: "/node/outputs/results", target: "/out", isReadOnly: false },
    ],
    limits: { cpuMillis: 1, memoryBytes: 2, diskBytes: 3, timeoutMs: 4 },
    door: parts.door,
    epoch: 5,
  });
});

test("a task may change the node's own data where the node says so", () => {
  const inputs = [{ path: "/data", isWritable: true }];
  expect(buildRunSpec(assignment, { ...parts, inputs }).mounts[0]).toEqual({
    hostPath: "/data",
    target: "/in",
    isReadOnly: false,
    isHostData: true,
  });
});

test("a task with a divided input finds a file that says what its partition got", () => {
  const { mounts, env } = buildRunSpec(assignment, { ...parts, inputsFile: "/node/inputs.json" });
  expect(mounts).toContainEqual({ hostPath: "/node/inputs.json", target: "/skrei/inputs.json", isReadOnly: true });
  expect(env).toMatchObject({ SKREI_INPUTS_FILE: "/skrei/inputs.json" });
  expect(buildRunSpec(assignment, parts).env).not.toHaveProperty("SKREI_INPUTS_FILE");
});

test("a task is told about itself under both names, and cannot forge it", () => {
  const names = ["EXECUTION_ID", "JOB_ID", "JOB_TYPE", "PARTITION_INDEX", "PARTITION_COUNT", "NODE_ID"];
  const values = ["e-1", "j-1", "batch", "3", "8", "n-1"];
  const system = names.flatMap((name, index) => ["SKREI_", "BACALHAU_"].map((prefix) => [prefix + name, values[index]]));
  expect(buildRunSpec(assignment, parts).env).toEqual({ GREETING: "hello", http_proxy: "door", ...Object.fromEntries(system) });
});

test.each(["", ".", "..", "../x", "a/b", "a\\b", "-x", "a".repeat(64), "a\0b"])("an output called %j cannot be a folder", (name) => {
  expect(() => outputFolderName(name)).toThrow(expect.objectContaining({ reason: "FIELD_INVALID" }));
});
