import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { aShellJob, aWasmJob } from "../kit/a-job.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster();

test("100 partitions complete on two nodes, each once, and each result is its own", async () => {
  const jobId = await cluster().submit(aShellJob("echo $SKREI_PARTITION_INDEX of $SKREI_PARTITION_COUNT", { count: 100 }));
  const job = await cluster().waitForJob(jobId, "completed", { withinMs: 150_000 });
  expect(job.partitions).toEqual({ waiting: 0, running: 0, completed: 100, failed: 0 });
  const executions = await cluster().executions(jobId);
  expect(executions.map(({ partition }) => partition).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  expect(new Set(executions.map(({ nodeId }) => nodeId))).toEqual(new Set(cluster().agents.map(({ nodeId }) => nodeId)));
  const folder = await mkdtemp(join(cluster().folder, "parts-"));
  const got = await cluster().runCli(["job", "get", jobId, "--to", folder]);
  expect(got).toMatchObject({ code: 0 });
  expect(got.stderr).toContain("every byte matches its content id");
  for (const partition of [0, 57, 99])
    expect(await readFile(join(folder, String(partition), "stdout"), "utf8")).toBe(`${partition} of 100\n`);
});

test("one partition that fails for good fails the job with that partition's own failure", async () => {
  const script = 'if [ "$SKREI_PARTITION_INDEX" = 3 ]; then echo part three is bad >&2; exit 33; fi';
  const jobId = await cluster().submit(aShellJob(script, { count: 6 }));
  const job = await cluster().waitForJob(jobId, "failed", { withinMs: 60_000 });
  expect(job).toMatchObject({ exitCode: 33, failure: { class: "user", reason: "EXIT_NONZERO" } });
  expect(job.failure?.message).toContain("part three is bad");
});

test("stopping a job of many partitions ends those that run and those that wait", async () => {
  const jobId = await cluster().submit(aShellJob("sleep 600", { count: 100 }));
  await cluster().runningExecution(jobId);
  await cluster().jobs.stopJob({ jobId });
  const job = await cluster().waitForJob(jobId, "stopped");
  expect(job.partitions.completed).toBe(0);
  await cluster().waitForExecution(jobId, ({ state }) => state === "cancelled");
});

test("containers and modules share a cluster", async () => {
  const ids = await Promise.all([aWasmJob("noop", { count: 10 }), aShellJob("true", { count: 10 })].map((spec) => cluster().submit(spec)));
  for (const job of await cluster().waitForEnd(ids, { withinMs: 90_000 }))
    expect(job).toMatchObject({ state: "completed", partitions: { completed: 10 } });
});

test("leaves nothing of all that behind", async () => {
  await expectInvariants(cluster());
});
