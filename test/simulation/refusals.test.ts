import { isJobEnded } from "@skrei/domain";
import type { Job } from "@skrei/domain";
import { afterEach, expect, test } from "vitest";
import { SimCluster, capacity } from "./sim-cluster.ts";
import type { SimAgentOptions } from "./sim-agent.ts";
import { aSpec } from "./sim-spec.ts";

const clusters: SimCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

/** A cluster of these agents with one job of one partition, and the job as it stands. */
async function aJobAmong(agents: readonly Partial<SimAgentOptions>[]): Promise<{ cluster: SimCluster; job: () => Job | undefined }> {
  const cluster = await new SimCluster(1).start();
  clusters.push(cluster);
  for (const agent of agents) cluster.addAgent(agent);
  expect(await cluster.run(10_000, () => cluster.truth.nodes.size === agents.length)).toBe(true);
  await cluster.run(2_100);
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec()));
  return { cluster, job: () => cluster.truth.jobs.get(id) };
}

test("a job that every node rejects for the same reason fails with it, after each was tried, and soon", async () => {
  const { cluster, job } = await aJobAmong([{ rejects: 1 }, { rejects: 1 }, { rejects: 1 }]);
  expect(await cluster.run(10_000, () => isJobEnded(job()?.state ?? "pending"))).toBe(true);
  expect(job()).toMatchObject({ state: "failed", failure: { reason: "IMAGE_PULL_FAILED" } });
  expect(job()?.failure?.message).toMatch(/; tried on 3 nodes, same answer$/);
});

test("a job that one node rejects runs on the other", async () => {
  const { cluster, job } = await aJobAmong([{ rejects: 1 }, {}]);
  expect(await cluster.run(20_000, () => isJobEnded(job()?.state ?? "pending"))).toBe(true);
  expect(job()?.state).toBe("completed");
});

test("while a partition waits before its next attempt its job says so, until when and after what", async () => {
  const { cluster, job } = await aJobAmong([{ rejects: 1 }]);
  const backoff = (): string | undefined => job()?.waiting?.reasons.find(({ reason }) => reason === "RETRY_BACKOFF")?.message;
  expect(await cluster.run(5_000, () => backoff() !== undefined)).toBe(true);
  expect(backoff()).toMatch(/^1 partition waits before its next attempt at .+Z, after IMAGE_PULL_FAILED \(/);
  expect(await cluster.run(10_000, () => isJobEnded(job()?.state ?? "pending"))).toBe(true);
  expect(job()?.waiting).toBeUndefined();
});

test("a job that every node refuses for good is impossible at once, and one that is stopped waits no more", async () => {
  const { cluster, job } = await aJobAmong([{ refuses: "SOURCE_NOT_ALLOWED" }, { refuses: "NETWORK_MODE_NOT_OFFERED" }]);
  expect(await cluster.run(2_000, () => job()?.waiting?.isImpossible === true)).toBe(true);
  const id = job()?.id;
  if (id === undefined) throw new Error("the job is gone");
  await cluster.clock.until(cluster.reach().stop({ requestId: "", jobId: id, reason: "" }));
  await cluster.run(5_000);
  expect(job()).toMatchObject({ state: "stopped" });
  expect(job()?.waiting).toBeUndefined();
});

test.for(["TARGET_NOT_OFFERED", "SOURCE_ACCESS_DENIED", "SOURCE_UNREACHABLE"] as const)(
  "a job that every node refuses for %s is impossible at once, and a plan says so",
  async (refuses) => {
    const { cluster, job } = await aJobAmong([{ refuses }]);
    expect(await cluster.run(2_000, () => job()?.waiting?.isImpossible === true)).toBe(true);
    const plans = await cluster.clock.until(cluster.reach().plan(aSpec()));
    expect(plans).toMatchObject([{ partitions: 0, reason: refuses, fitsWhenIdle: false }]);
  },
);

test("a job that nodes refuse for now is not impossible", async () => {
  const { cluster, job } = await aJobAmong([{ refuses: "CAPACITY_BUSY" }, { refuses: "SOURCE_NOT_ALLOWED" }]);
  await cluster.run(2_000);
  expect(job()?.waiting).toMatchObject({ isImpossible: false, nodes: 2 });
});

test("a plan asks the nodes: who would refuse the inputs for good does not fit, and what was offered is released", async () => {
  const cluster = await new SimCluster(1).start();
  clusters.push(cluster);
  const willing = cluster.addAgent({ capacity: capacity(1) });
  cluster.addAgent({ refuses: "SOURCE_NOT_ALLOWED" });
  expect(await cluster.run(10_000, () => cluster.truth.nodes.size === 2)).toBe(true);
  await cluster.run(2_100);
  for (let i = 0; i < 2; i++) {
    const plans = await cluster.clock.until(cluster.reach().plan(aSpec({ resources: capacity(1) })));
    expect(plans.find(({ nodeId }) => nodeId === willing.options.id)).toMatchObject({ partitions: 1, fitsWhenIdle: true });
    expect(plans.find(({ nodeId }) => nodeId !== willing.options.id)).toMatchObject({
      partitions: 0,
      reason: "SOURCE_NOT_ALLOWED",
      message: "refused: SOURCE_NOT_ALLOWED",
      fitsWhenIdle: false,
    });
  }
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ resources: capacity(1) })));
  expect(await cluster.run(10_000, () => cluster.truth.jobs.get(id)?.state === "completed")).toBe(true);
});
