import { DomainError } from "@skrei/domain";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { aShellJob } from "../kit/a-job.ts";
import { type Cluster, startCluster } from "../kit/cluster.ts";
import { ClusterApi } from "../kit/cluster-api.ts";
import { eventually } from "../kit/eventually.ts";
import { expectInvariants } from "../kit/invariants.ts";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";

const JOBS = 30;

describe("of two schedulers", { timeout: 180_000 }, () => {
  let stack: AsyncDisposableStack;
  let cluster: Cluster;
  let follower: ServiceProcess;
  let api: ClusterApi;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    cluster = stack.use(await startCluster({ engines: ["docker"] }));
    follower = stack.use(await startServiceProcess("scheduler", cluster.schedulerFlags, { label: "follower" }));
    api = new ClusterApi(createHttpTransport({ url: follower.url }));
    return () => stack.disposeAsync();
  });

  test("the one that does not lead reads, and says so when it is asked to write", async () => {
    const jobId = await cluster.submit(aShellJob("sleep 60"));
    const { id } = await cluster.runningExecution(jobId);
    expect(await api.job(jobId)).toMatchObject({ id: jobId, state: "running" });
    expect(await api.executions(jobId)).toMatchObject([{ id, state: "running" }]);
    for (const write of [api.submit(aShellJob("true")), api.jobs.stopJob({ jobId }), api.jobs.rerunJob({ jobId })]) {
      await expect(write).rejects.toMatchObject({ kind: "unavailable", reason: "NOT_LEADER" });
    }
    expect((await cluster.job(jobId)).state).toBe("running");
    await cluster.jobs.stopJob({ jobId });
    await cluster.waitForEnd([jobId]);
  });

  test("kill -9 of the leader makes the other one lead within 5 s, and nothing is lost or run again", async () => {
    const long = await cluster.submit(aShellJob("sleep 15"));
    const { id } = await cluster.runningExecution(long);
    const submitting = submitJobs([cluster, api]);
    await eventually(
      () => cluster.jobs.listJobs({ filter: "state:completed", pageSize: 3 }),
      ({ jobs }) => jobs.length === 3,
      { withinMs: 60_000, everyMs: 100 },
    );
    await cluster.scheduler.kill();
    await leads(api, 5_000);
    const acknowledged = [long, ...(await submitting)];
    await api.waitForEnd(acknowledged, { withinMs: 120_000 });
    expect((await api.executions(long)).map(({ id: last, state }) => [last, state])).toEqual([[id, "completed"]]);
    await expectInvariants(cluster, acknowledged);
  });

  test("a leader that stood still past its lease changes nothing when it goes on, and follows", async () => {
    const long = await cluster.submit(aShellJob("sleep 25"));
    const { id } = await cluster.runningExecution(long);
    const submitting = submitJobs([cluster, api]);
    await eventually(
      () => cluster.jobs.listJobs({ pageSize: 3 }),
      ({ jobs }) => jobs.length === 3,
      { withinMs: 60_000, everyMs: 100 },
    );
    cluster.scheduler.pause();
    await leads(api, 10_000);
    const meanwhile = await api.submit(aShellJob("true"));
    await api.waitForEnd([meanwhile]);
    cluster.scheduler.resume();
    const acknowledged = [long, meanwhile, ...(await submitting)];
    await api.waitForEnd(acknowledged, { withinMs: 120_000 });
    expect((await api.executions(long)).map(({ id: last, state }) => [last, state])).toEqual([[id, "completed"]]);
    await expect(cluster.submit(aShellJob("true"))).rejects.toMatchObject({ reason: "NOT_LEADER" });
    await expectInvariants(cluster, acknowledged);
  });
});

/** As a client with several addresses: the same request id at the next one, until it is acknowledged. */
async function submitJobs(addresses: readonly ClusterApi[]): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  for (let index = 0; index < JOBS; index++) {
    let tries = 0;
    const submit = async (): Promise<string> => {
      const address = addresses[tries++ % addresses.length];
      const call = address?.jobs.submitJob({ spec: aShellJob("true"), requestId: `request-${index}` }, { timeoutMs: 2_000 });
      return (await call?.catch(ignoreAway))?.job?.jobId ?? "";
    };
    acknowledged.push(await eventually(submit, (jobId) => jobId !== "", { withinMs: 60_000, everyMs: 50 }));
  }
  return acknowledged;
}

function ignoreAway(error: unknown): undefined {
  if (!(error instanceof DomainError) || (error.kind !== "unavailable" && error.kind !== "timeout")) throw error;
}

/** Only the leader knows the nodes. */
async function leads({ nodes }: ClusterApi, withinMs: number): Promise<void> {
  const isLeading = (): Promise<boolean> =>
    nodes.listNodes({}).then(
      () => true,
      () => false,
    );
  await eventually(isLeading, Boolean, { withinMs, everyMs: 50 });
}
