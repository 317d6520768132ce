import type { ExecutionId } from "@skrei/domain";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aShellJob, type JobParts } from "../kit/a-job.ts";
import { eventually } from "../kit/eventually.ts";
import { type ApiCluster, type JoinedNode, startApiCluster } from "../kit/scheduler-api.ts";

const WHOLE_NODE = { cpuMillis: 8_000 };
const WAITING = { reason: "TARGET_UNAVAILABLE", message: "The target does not answer.", sinceMs: 1 } as const;
const transfer = { kind: "result", bytesDone: 0, bytesTotal: 0, waiting: WAITING } as const;
let cluster: ApiCluster;
let node: JoinedNode;
beforeEach(async () => {
  cluster = await startApiCluster();
  node = await cluster.join("n1");
});
afterEach(() => cluster[Symbol.asyncDispose]());

test("a result that waits for its target leaves the node's room to others, and its end frees nothing twice", async () => {
  const first = await placed(await submit(WHOLE_NODE));
  const second = await submit(WHOLE_NODE);
  await node.report([{ executionId: first, epoch: 1, state: "publishing", transfer }]);
  const execution = await placed(second);
  expect(await allocatedCpu()).toBe(8_000);
  // Between two attempts nothing is on its way; the room stays theirs who have it.
  await node.report([{ executionId: first, epoch: 1, state: "publishing" }]);
  const third = await submit(WHOLE_NODE);
  await node.report([{ executionId: first, epoch: 1, state: "completed" }]);
  expect(await allocatedCpu()).toBe(8_000);
  expect(executionOf(third)).toBeUndefined();
  await node.report([{ executionId: execution, epoch: 1, state: "completed" }]);
  await placed(third);
});

test("a result that waits for its target is not stopped by the time that its task may run", async () => {
  const jobId = await submit({ executionTimeoutMs: 1 });
  const executionId = await placed(jobId);
  await node.report([{ executionId, epoch: 1, state: "running" }]);
  await node.report([{ executionId, epoch: 1, state: "publishing", transfer }]);
  const slow = await submit({ executionTimeoutMs: 1 });
  await node.report([{ executionId: await placed(slow), epoch: 1, state: "running" }]);
  // The one that runs began later, so the other would have been stopped before it.
  await eventually(
    () => cluster.agents.assignments.get(executionOf(slow) ?? ("" as ExecutionId))?.desired,
    (desired) => desired === "stop",
    { withinMs: 30_000 },
  );
  expect(cluster.agents.assignments.get(executionId)?.desired).toBe("run");
}, 60_000);

async function submit(parts: JobParts): Promise<string> {
  return (await cluster.jobs.submitJob({ spec: aShellJob("true", parts) })).job?.jobId ?? "";
}

function executionOf(jobId: string): ExecutionId | undefined {
  return [...cluster.agents.assignments.values()].find(({ job }) => job.jobId === jobId)?.executionId;
}

async function placed(jobId: string): Promise<ExecutionId> {
  const id = await eventually(
    () => executionOf(jobId),
    (executionId) => executionId !== undefined,
    { withinMs: 10_000 },
  );
  if (id === undefined) throw new Error("it was not placed");
  return id;
}

async function allocatedCpu(): Promise<number | undefined> {
  const { nodes } = await cluster.nodes.listNodes({});
  return Number(nodes[0]?.allocated?.cpuMillis);
}
