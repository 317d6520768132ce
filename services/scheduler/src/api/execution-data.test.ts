import type { ExecutionId, ExecutionReport, Transfer } from "@skrei/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { brokenRules } from "../../../../test/kit/event-log-rules.ts";
import { eventually } from "../../../../test/kit/eventually.ts";
import { type ApiCluster, type JoinedNode, startApiCluster } from "../../../../test/kit/scheduler-api.ts";

let cluster: ApiCluster;
let node: JoinedNode;
beforeAll(async () => {
  cluster = await startApiCluster();
  node = await cluster.join("n1");
});
afterAll(() => cluster[Symbol.asyncDispose]());

async function placed(): Promise<{ jobId: string; report: (facts: Partial<ExecutionReport>) => Promise<void> }> {
  const { job } = await cluster.jobs.submitJob({ spec: { task: { engine: { case: "docker", value: { image: "busybox" } } } } });
  const jobId = job?.jobId ?? "";
  const assignments = (): ExecutionId[] =>
    [...cluster.agents.assignments.values()].flatMap((one) => (one.job.jobId === jobId ? one.executionId : []));
  const [executionId] = await eventually(assignments, ({ length }) => length === 1, { withinMs: 5_000 });
  if (executionId === undefined) throw new Error("nothing was placed");
  return { jobId, report: (facts) => node.report([{ executionId, epoch: 1, state: "preparing", ...facts }]) };
}

function waitingFor(reason: "TARGET_UNAVAILABLE" | "UPSTREAM_UNAVAILABLE", sinceMs: number): Transfer {
  return { kind: "result", bytesDone: 0, bytesTotal: 0, waiting: { reason, message: `${reason} says why.`, sinceMs } };
}

const MOVING: Transfer = { kind: "result", bytesDone: 5, bytesTotal: 10 };

test("what an execution waits for is seen while it does, told once for each reason, and gone at the end", async () => {
  const { jobId, report } = await placed();
  const seen = async () => (await cluster.jobs.listExecutions({ jobId })).executions[0];
  await report({ transfer: { ...MOVING, kind: "inputs" } });
  expect(await seen()).toMatchObject({ transfer: { bytesDone: 5n, bytesTotal: 10n, reason: "" } });
  await report({ state: "publishing", transfer: waitingFor("TARGET_UNAVAILABLE", 1_000) });
  expect(await seen()).toMatchObject({ transfer: { reason: "TARGET_UNAVAILABLE", message: "TARGET_UNAVAILABLE says why." } });
  for (const transfer of [MOVING, waitingFor("TARGET_UNAVAILABLE", 2_000), waitingFor("UPSTREAM_UNAVAILABLE", 3_000)])
    await report({ state: "publishing", transfer });
  await report({ state: "publishing", transfer: waitingFor("TARGET_UNAVAILABLE", 4_000) });
  await report({ state: "completed", deliveryUrl: "s3://bucket/key", transfer: MOVING });
  await report({ state: "publishing", transfer: waitingFor("TARGET_UNAVAILABLE", 5_000) });
  const ended = await seen();
  expect([ended?.transfer, ended?.deliveryUrl]).toEqual([undefined, "s3://bucket/key"]);
  const { events } = await cluster.jobs.listJobEvents({ jobId });
  expect(events.filter(({ type }) => type === "execution.delayed").map(({ reason, message, to }) => [reason, message, to])).toEqual([
    ["TARGET_UNAVAILABLE", "TARGET_UNAVAILABLE says why.", "publishing"],
    ["UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE says why.", "publishing"],
  ]);
  const job = await cluster.store.getJob(jobId as never);
  const truth = {
    events: await cluster.store.listEvents(0, 1_000),
    jobs: job === undefined ? [] : [job],
    executions: await cluster.store.listExecutions(jobId as never, undefined, 10),
    nodes: await cluster.store.listNodes(),
  };
  expect(brokenRules(truth)).toEqual([]);
});

test("what became of the inputs is kept as it was told first", async () => {
  const { jobId, report } = await placed();
  const inputs = [{ target: "/in", digest: "cid:x", sizeBytes: 7, movedBytes: 7 }];
  await report({ state: "running", inputs });
  await report({ state: "running", inputs: [{ ...inputs[0], movedBytes: 0 }] as typeof inputs });
  await report({ state: "running" });
  await report({ state: "failed" });
  const { executions } = await cluster.jobs.listExecutions({ jobId });
  expect(executions[0]?.inputs).toMatchObject([{ target: "/in", digest: "cid:x", sizeBytes: 7n, movedBytes: 7n }]);
});
