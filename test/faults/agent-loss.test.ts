import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Execution } from "@skrei/domain";
import { expect, test } from "vitest";
import { aShellJob, aWasmJob } from "../kit/a-job.ts";
import { type Cluster, startCluster } from "../kit/cluster.ts";
import { containersOf } from "../kit/docker-leftovers.ts";
import { eventually } from "../kit/eventually.ts";
import { expectInvariants } from "../kit/invariants.ts";

/** Longer than a restart of an agent takes on a busy machine. */
const PATIENT = { heartbeatTimeoutMs: 30_000 };
const IMPATIENT = { heartbeatTimeoutMs: 3_000 };

test("a container outlives kill -9 of its agent, is taken up again, and its whole output is the result", async () => {
  await using cluster = await startCluster(PATIENT);
  const jobId = await cluster.submit(aShellJob("for n in $(seq 1 60); do echo line $n; sleep 0.2; done"));
  const { nodeId, id } = await cluster.runningExecution(jobId);
  const agent = cluster.agentOf(nodeId);
  await agent.kill();
  expect((await tasksOf(nodeId)).map(({ executionId, state }) => ({ executionId, state }))).toEqual([
    { executionId: id, state: "running" },
  ]);
  await agent.restart();
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  expect(await cluster.executions(jobId)).toMatchObject([{ id, state: "completed", attempt: 1 }]);
  expect(await stdoutOf(cluster, jobId)).toBe(Array.from({ length: 60 }, (_, index) => `line ${index + 1}\n`).join(""));
  await expectInvariants(cluster, [jobId]);
});

test("what ended while its agent was dead is reported by the next one", async () => {
  await using cluster = await startCluster(PATIENT);
  const jobId = await cluster.submit(aShellJob("echo before; sleep 1; echo after; exit 5"));
  const { nodeId } = await cluster.runningExecution(jobId);
  const agent = cluster.agentOf(nodeId);
  await agent.kill();
  await eventually(
    () => tasksOf(nodeId),
    (tasks) => tasks.every(({ state }) => state === "exited"),
    { withinMs: 30_000 },
  );
  await agent.restart();
  expect(await cluster.waitForJob(jobId, "failed")).toMatchObject({ exitCode: 5, failure: { reason: "EXIT_NONZERO" } });
  expect(await stdoutOf(cluster, jobId)).toBe("before\nafter\n");
  await expectInvariants(cluster, [jobId]);
});

test("a module cannot outlive its agent: it ends with it and runs again", async () => {
  await using cluster = await startCluster({ ...PATIENT, nodes: 1, engines: ["wasm"] });
  const jobId = await cluster.submit(aWasmJob("program", { parameters: ["printLines", "20", "100"] }));
  await cluster.runningExecution(jobId);
  await cluster.agents[0]?.restart();
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  expect(await cluster.executions(jobId)).toMatchObject([
    { failure: { class: "infrastructure", reason: "AGENT_RESTARTED" } },
    { state: "completed" },
  ]);
  await expectInvariants(cluster, [jobId]);
});

test("the work of a node that is gone runs elsewhere, and nothing of it is left when the node comes back", async () => {
  await using cluster = await startCluster(IMPATIENT);
  const jobId = await cluster.submit(aShellJob("sleep 5; echo done"));
  const first = await cluster.runningExecution(jobId);
  await cluster.agentOf(first.nodeId).kill();
  const second = await cluster.waitForExecution(jobId, isElsewhere(first), { withinMs: 60_000 });
  expect(await cluster.executions(jobId)).toMatchObject([
    { state: "lost", failure: { class: "infrastructure", reason: "NODE_LOST" } },
    { id: second.id, attempt: 2 },
  ]);
  await cluster.agentOf(first.nodeId).restart();
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  await expectInvariants(cluster, [jobId]);
});

test("a zombie that stood still past the heartbeat time-out changes nothing when it goes on", async () => {
  await using cluster = await startCluster(IMPATIENT);
  const jobId = await cluster.submit(aShellJob("sleep 6; echo by $SKREI_NODE_ID"));
  const first = await cluster.runningExecution(jobId);
  const zombie = cluster.agentOf(first.nodeId);
  zombie.pause();
  const second = await cluster.waitForExecution(jobId, isElsewhere(first), { withinMs: 60_000 });
  // The zombie's container ends while nobody looks after it: its result is ready to be offered, under a stale epoch.
  await eventually(
    () => tasksOf(first.nodeId),
    (tasks) => tasks.every(({ state }) => state === "exited"),
    { withinMs: 60_000 },
  );
  zombie.resume();
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  expect(await cluster.executions(jobId)).toMatchObject([
    { id: first.id, state: "lost", verdict: "open" },
    { id: second.id, state: "completed", verdict: "accepted" },
  ]);
  expect(await stdoutOf(cluster, jobId)).toBe(`by ${second.nodeId}\n`);
  await expectInvariants(cluster, [jobId]);
});

test("an agent that is stopped in order leaves its running container to the next one", async () => {
  await using cluster = await startCluster(PATIENT);
  const jobId = await cluster.submit(aShellJob("echo begun; sleep 5; echo ended"));
  const { nodeId, id } = await cluster.runningExecution(jobId);
  const agent = cluster.agentOf(nodeId);
  expect(await agent.stop()).toBe(0);
  expect((await containersOf(nodeId)).map(({ role, executionId }) => ({ role, executionId }))).toEqual([
    { role: "task", executionId: id },
    { role: "holder", executionId: "" },
  ]);
  await agent.restart();
  await cluster.waitForJob(jobId, "completed", { withinMs: 60_000 });
  expect(await cluster.executions(jobId)).toMatchObject([{ id, attempt: 1 }]);
  expect(await stdoutOf(cluster, jobId)).toBe("begun\nended\n");
  await expectInvariants(cluster, [jobId]);
});

async function tasksOf(nodeId: string): ReturnType<typeof containersOf> {
  return (await containersOf(nodeId)).filter(({ role }) => role === "task");
}

function isElsewhere(first: Execution): (execution: Execution) => boolean {
  return ({ nodeId, attempt }) => nodeId !== first.nodeId && attempt === 2;
}

async function stdoutOf(cluster: Cluster, jobId: string): Promise<string> {
  const folder = await mkdtemp(join(cluster.folder, "result-"));
  const { code, stderr } = await cluster.runCli(["job", "get", jobId, "--to", folder]);
  if (code !== 0) throw new Error(stderr);
  return await readFile(join(folder, "stdout"), "utf8");
}
