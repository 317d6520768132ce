import { describe, expect, test } from "vitest";
import { aShellJob, aWasmJob } from "../kit/a-job.ts";
import { type Cluster, startCluster } from "../kit/cluster.ts";
import { eventually } from "../kit/eventually.ts";
import { expectInvariants } from "../kit/invariants.ts";

const JOBS = 200;
/** Every so many of them is a container; the rest are modules, which are quicker. */
const CONTAINER_EVERY = 8;

interface Fault {
  readonly name: string;
  readonly strike: (cluster: Cluster) => Promise<void>;
  readonly heal: (cluster: Cluster) => Promise<void>;
  /** A module ends with its agent, so it has to run again; a container is taken up. */
  readonly areModulesLost?: boolean;
}

const FAULTS: readonly Fault[] = [
  { name: "the scheduler", strike: ({ scheduler }) => scheduler.kill(), heal: ({ scheduler }) => scheduler.restart() },
  { name: "nats-server", strike: ({ nats }) => nats.kill(), heal: ({ nats }) => nats.restart() },
  { name: "redis-server", strike: ({ redis }) => redis.kill(), heal: ({ redis }) => redis.startAgain() },
  {
    name: "the publisher and the storage-fetcher",
    strike: async ({ publisher, fetcher }) => void (await Promise.all([publisher.kill(), fetcher.kill()])),
    heal: async ({ publisher, fetcher }) => void (await Promise.all([publisher.restart(), fetcher.restart()])),
  },
  {
    name: "an agent",
    strike: async ({ agents }) => await agents[0]?.kill(),
    heal: async ({ agents }) => await agents[0]?.restart(),
    areModulesLost: true,
  },
  {
    name: "everything at once",
    strike: async ({ scheduler, nats, redis, publisher, fetcher, agents }) => {
      await Promise.all([scheduler, nats, redis, publisher, fetcher, ...agents].map((process) => process.kill()));
    },
    heal: async ({ scheduler, nats, redis, publisher, fetcher, agents }) => {
      await Promise.all([redis.startAgain(), nats.restart(), publisher.restart(), fetcher.restart()]);
      await Promise.all([scheduler, ...agents].map((process) => process.restart()));
    },
    areModulesLost: true,
  },
];

describe.each(FAULTS)("kill -9 of $name in the middle of 200 jobs", ({ strike, heal, areModulesLost = false }) => {
  test("loses no job, runs none twice, and leaves the books right", { timeout: 240_000 }, async () => {
    await using cluster = await startCluster({ heartbeatTimeoutMs: 30_000 });
    const submitter = startSubmitter(cluster);
    await eventually(
      () => countCompleted(cluster),
      (completed) => completed >= 20,
      { withinMs: 90_000, everyMs: 100 },
    );
    await strike(cluster);
    await heal(cluster);
    const acknowledged = await submitter;
    const jobs = await cluster.waitForEnd(acknowledged, { withinMs: 150_000 });
    expect(jobs.filter(({ state }) => state !== "completed").map(({ id, state, failure }) => ({ id, state, failure }))).toEqual([]);
    await expectInvariants(cluster, acknowledged);
    const single = acknowledged.filter((_, index) => !areModulesLost || index % CONTAINER_EVERY === 0);
    expect(await ranTwice(cluster, single)).toEqual([]);
  });
});

/** Submits until all are acknowledged; what the cluster cannot take just now is sent again under the same request id. */
async function startSubmitter(cluster: Cluster): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  for (let index = 0; index < JOBS; index++) {
    const spec = index % CONTAINER_EVERY === 0 ? aShellJob("echo done") : aWasmJob("noop");
    const submit = (): Promise<string> => cluster.submit(spec, `request-${index}`).catch(() => "");
    acknowledged.push(await eventually(submit, (jobId) => jobId !== "", { withinMs: 60_000, everyMs: 100 }));
  }
  return acknowledged;
}

async function countCompleted(cluster: Cluster): Promise<number> {
  const { jobs } = await cluster.jobs.listJobs({ filter: "state:completed", pageSize: 100 });
  return jobs.length;
}

/** Jobs with more than one execution that reached the task: a crash is no reason to run a container again, nor one of the control plane to run anything. */
async function ranTwice(cluster: Cluster, jobIds: readonly string[]): Promise<readonly string[]> {
  const doubled: string[] = [];
  for (const jobId of jobIds) {
    const executions = await cluster.executions(jobId);
    if (executions.filter(({ startedAtMs }) => startedAtMs !== undefined).length > 1) doubled.push(JSON.stringify(executions));
  }
  return doubled;
}
