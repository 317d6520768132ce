import { join } from "node:path";
import { expect, test } from "vitest";
import { aJob, aShellJob } from "../kit/a-job.ts";
import { eventually } from "../kit/eventually.ts";
import { startServiceProcess } from "../kit/service-process.ts";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster();

test.each(["describe", "logs", "stop", "get", "wait", "history"])("job %s of an unknown id says so and what to do", async (command) => {
  const { code, stdout, stderr } = await cluster().runCli(["job", command, "j-00000000000000000000000000"]);
  expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  expect(stderr).toContain("JOB_NOT_FOUND");
  expect(stderr).toContain("fix:");
});

test("a prefix that several jobs share is refused and the candidates are named; one that is unique is enough", async () => {
  const ids = [await cluster().submit(aJob()), await cluster().submit(aJob())];
  const [first = "", second = ""] = ids;
  let shared = 0;
  while (first[shared] === second[shared]) shared++;
  const ambiguous = await cluster().runCli(["job", "describe", first.slice(0, Math.max(6, shared))]);
  expect(ambiguous.code).toBe(3);
  expect(ambiguous.stderr).toContain("JOB_AMBIGUOUS");
  for (const id of ids) expect(ambiguous.stderr).toContain(id);
  const unique = await cluster().runCli(["job", "describe", first.slice(0, -1)]);
  expect(unique).toMatchObject({ code: 0 });
  expect(unique.stdout).toContain(first);
  await cluster().waitForEnd(ids);
});

test("an agent with a wrong join token is never let in, and its log says why and what to do", async () => {
  const flags = cluster().agentFlags("stranger", { "join-token": "0123456789abcdef-wrong", engines: "wasm" });
  await using stranger = await startServiceProcess("compute-agent", flags, {
    label: "stranger",
    logFolder: join(cluster().folder, "logs"),
  });
  await eventually(stranger.log, (log) => log.includes("JOIN_TOKEN_INVALID"), { withinMs: 30_000 });
  expect(stranger.log()).not.toContain("0123456789abcdef-wrong");
  const { nodes } = await cluster().nodes.listNodes({});
  expect(nodes.map(({ name }) => name)).toEqual(["node-1", "node-2"]);
});

test("a draining node takes no new work and ends what it has", async () => {
  const [drained, other] = cluster().agents;
  const jobId = await cluster().submit(
    aShellJob("sleep 600", { constraints: [{ key: "name", operator: 1, values: [drained?.name ?? ""] }] }),
  );
  const running = await cluster().runningExecution(jobId);
  expect(running.nodeId).toBe(drained?.nodeId);
  expect(await cluster().runCli(["node", "drain", drained?.name ?? ""])).toMatchObject({ code: 0 });
  const next = await cluster().submit(aJob({ count: 5 }));
  await cluster().waitForJob(next, "completed", { withinMs: 60_000 });
  expect(new Set((await cluster().executions(next)).map(({ nodeId }) => nodeId))).toEqual(new Set([other?.nodeId]));
  expect(await cluster().job(jobId)).toMatchObject({ state: "running" });
  await cluster().jobs.stopJob({ jobId });
  await cluster().waitForJob(jobId, "stopped");
  await cluster().nodes.drainNode({ nodeId: drained?.nodeId ?? "", drain: false });
});

test("constraints send a job to the node that satisfies them", async () => {
  const [, second] = cluster().agents;
  const { code } = await cluster().runCli(["docker", "run", "--where", "name=node-2", "--name", "picky", "busybox", "--", "true"]);
  expect(code).toBe(0);
  expect((await cluster().executions("picky")).map(({ nodeId }) => nodeId)).toEqual([second?.nodeId]);
});

test("the same request id submits one job, however often it is sent", async () => {
  const ids = await Promise.all(Array.from({ length: 5 }, () => cluster().submit(aJob(), "only-once-please")));
  expect(new Set(ids).size).toBe(1);
  expect(
    await cluster()
      .submit(aJob({ count: 2 }), "only-once-please")
      .catch((error: unknown) => error),
  ).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  await cluster().waitForEnd(ids.slice(0, 1));
});
