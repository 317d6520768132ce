import { isExecutionEnded, isJobEnded, NO_NODE_NETWORK } from "@skrei/domain";
import type { JobId } from "@skrei/domain";
import { afterEach, expect, test } from "vitest";
import { SimCluster, capacity } from "./sim-cluster.ts";
import { aSpec } from "./sim-spec.ts";

const clusters: SimCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

async function aCluster(options: ConstructorParameters<typeof SimCluster>[1] = {}): Promise<SimCluster> {
  const cluster = await new SimCluster(1, options).start();
  clusters.push(cluster);
  return cluster;
}

/** Until every agent is known and has used its session. */
async function joined(cluster: SimCluster): Promise<void> {
  expect(await cluster.run(10_000, () => cluster.truth.nodes.size === cluster.agents.size)).toBe(true);
  await cluster.run(2_100);
}

function ended(cluster: SimCluster, id: JobId): () => boolean {
  return () => isJobEnded(cluster.truth.jobs.get(id)?.state ?? "pending");
}

test("a job runs to its end on one node, with one event a change", async () => {
  const cluster = await aCluster();
  cluster.addAgent();
  await joined(cluster);
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec()));
  expect(await cluster.run(10_000, ended(cluster, id))).toBe(true);
  const events = (await cluster.store.listJobEvents(id, 0, 100)).map(({ type }) => type);
  const expected = [
    "job.submitted",
    "execution.assigned",
    "job.running",
    "execution.preparing",
    "execution.running",
    "execution.completed",
    "job.completed",
  ];
  expect(events.filter((type) => expected.includes(type))).toEqual(expected);
  expect(cluster.truth.jobs.get(id)).toMatchObject({ state: "completed", exitCode: 0 });
});

test("a hundred partitions flow through two small nodes", async () => {
  const cluster = await aCluster();
  cluster.addAgent({ capacity: capacity(2) });
  cluster.addAgent({ capacity: capacity(2) });
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 100 })));
  expect(await cluster.run(60_000, ended(cluster, id))).toBe(true);
  expect(cluster.truth.jobs.get(id)).toMatchObject({ state: "completed", exitCode: 0, partitions: { completed: 100 } });
});

test("work flows without any wake-up of the sweep, and with the sweep alone it flows too", async () => {
  for (const options of [{ sweepIntervalMs: 86_400_000 }, { sweepIntervalMs: 200 }]) {
    const cluster = await aCluster(options);
    for (let i = 0; i < 3; i++) cluster.addAgent({ capacity: capacity(1) });
    const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 40 })));
    expect(await cluster.run(60_000, ended(cluster, id))).toBe(true);
  }
});

test("a job that fits nowhere says why, and runs as soon as a node joins that fits", async () => {
  const cluster = await aCluster({ sweepIntervalMs: 86_400_000 });
  cluster.addAgent({ capacity: capacity(1) });
  await joined(cluster);
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ resources: capacity(3) })));
  await cluster.run(1_000);
  expect(cluster.truth.jobs.get(id)).toMatchObject({
    state: "queued",
    waiting: { partitions: 1, nodes: 1, isImpossible: true, reasons: [{ reason: "CAPACITY_TOO_SMALL", nodes: 1 }] },
  });
  const eventsBefore = (await cluster.store.listJobEvents(id, 0, 100)).length;
  await cluster.run(60_000);
  expect(await cluster.store.listJobEvents(id, 0, 100)).toHaveLength(eventsBefore);
  cluster.addAgent({ capacity: capacity(4) });
  expect(await cluster.run(10_000, ended(cluster, id))).toBe(true);
});

test("what a killed node ran is placed elsewhere within the heartbeat time-out and a second", async () => {
  const cluster = await aCluster();
  const agents = [cluster.addAgent(), cluster.addAgent()];
  await joined(cluster);
  const { id } = await cluster.clock.until(
    cluster.submit("request-1", aSpec({ count: 4, timeouts: { executionMs: 0, queueMs: 0, totalMs: 0 } })),
  );
  await cluster.run(200);
  const victim = agents.find(({ running }) => running.length > 0);
  victim?.kill(true);
  const held = cluster.truth.unended(victim?.options.id).length;
  expect(held).toBeGreaterThan(0);
  const moved = (): boolean =>
    cluster.truth.unended(victim?.options.id).length === 0 &&
    [...cluster.truth.executions.values()].filter(({ attempt, state }) => attempt === 2 && state === "running").length === held;
  expect(await cluster.run(9_100, moved)).toBe(true);
  expect(await cluster.run(20_000, ended(cluster, id))).toBe(true);
  expect(cluster.truth.jobs.get(id)).toMatchObject({ state: "completed" });
});

test("a user's failure is not retried and is the job's own message and exit code", async () => {
  const cluster = await aCluster();
  cluster.addAgent({ fails: 1 });
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 2 })));
  expect(await cluster.run(10_000, ended(cluster, id))).toBe(true);
  expect(cluster.truth.jobs.get(id)).toMatchObject({
    state: "failed",
    exitCode: 3,
    failure: { class: "user", reason: "EXIT_NONZERO", message: "Exit code 3." },
    partitions: { failed: 2 },
  });
  expect([...cluster.truth.executions.values()].map(({ attempt }) => attempt)).toEqual([1, 1]);
});

test("a node that refuses to run is not blamed on the job; another node runs it", async () => {
  const cluster = await aCluster();
  cluster.addAgent({ rejects: 1, capacity: capacity(8) });
  cluster.addAgent({ capacity: capacity(1) });
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 5 })));
  expect(await cluster.run(60_000, ended(cluster, id))).toBe(true);
  expect(cluster.truth.jobs.get(id)).toMatchObject({ state: "completed" });
});

test("stopping ends the job at once and its executions soon", async () => {
  const cluster = await aCluster();
  cluster.addAgent({ taskMsMax: 60_000, capacity: capacity(1) });
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 5 })));
  await cluster.run(1_000);
  const stopped = await cluster.clock.until(cluster.reach().stop({ requestId: "", jobId: id, reason: "enough" }));
  expect(stopped).toMatchObject({ state: "stopped", partitions: { waiting: 5, running: 0 } });
  expect(await cluster.run(2_000, () => cluster.truth.unended().length === 0)).toBe(true);
  expect([...cluster.truth.executions.values()].map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
});

test("a rerun is the next version of the job and runs again", async () => {
  const cluster = await aCluster();
  cluster.addAgent();
  const { id, createdAtMs } = await cluster.clock.until(cluster.submit("request-1", aSpec()));
  const early = cluster.reach().rerun({ requestId: "again-1", jobId: id });
  await expect(cluster.clock.until(early)).rejects.toMatchObject({ reason: "JOB_STILL_RUNNING" });
  await cluster.run(10_000, ended(cluster, id));
  const again = await cluster.clock.until(cluster.reach().rerun({ requestId: "again-2", jobId: id }));
  expect(again).toMatchObject({ version: 2, state: "pending", createdAtMs });
  const repeated = await cluster.clock.until(cluster.reach().rerun({ requestId: "again-2", jobId: id }));
  expect(repeated.version).toBe(2);
  expect(await cluster.run(10_000, ended(cluster, id))).toBe(true);
  expect([...cluster.truth.executions.values()].map(({ jobVersion, state }) => [jobVersion, state])).toEqual([
    [1, "completed"],
    [2, "completed"],
  ]);
});

test("a request id stands for one job: at once, twice in a batch, and after a change of leader", async () => {
  const cluster = await aCluster();
  const spec = aSpec();
  const [first, second, batch] = await cluster.clock.until(
    Promise.all([
      cluster.submit("request-1", spec),
      cluster.submit("request-1", spec),
      cluster.reach().submit([
        { requestId: "request-1", spec },
        { requestId: "request-1", spec },
      ]),
    ]),
  );
  expect(new Set([first.id, second.id, ...batch.map(({ id }) => id)]).size).toBe(1);
  await expect(cluster.clock.until(cluster.submit("request-1", aSpec({ count: 2 })))).rejects.toMatchObject({
    kind: "exists",
    reason: "REQUEST_ID_REUSED",
  });
  cluster.crashLeader();
  cluster.startScheduler();
  const after = await cluster.clock.until(cluster.submit("request-1", spec));
  expect(after.id).toBe(first.id);
  expect(cluster.truth.jobs.size).toBe(1);
});

test("a new leader takes over within five seconds and loses no node and no work", async () => {
  const cluster = await aCluster();
  cluster.startScheduler();
  for (let i = 0; i < 3; i++) cluster.addAgent({ taskMsMax: 20_000 });
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 30 })));
  await cluster.run(3_000);
  cluster.crashLeader();
  expect(await cluster.run(5_000, () => cluster.schedulers.some(({ leader }) => leader.isLeading()))).toBe(true);
  expect(await cluster.run(120_000, ended(cluster, id))).toBe(true);
  expect([...cluster.truth.executions.values()].filter(({ state }) => state === "lost")).toEqual([]);
  expect([...cluster.truth.nodes.values()].every(({ connection }) => connection === "connected")).toBe(true);
});

test("an agent that restarts without its journal gives its executions back", async () => {
  const cluster = await aCluster();
  const agent = cluster.addAgent({ taskMsMax: 20_000 });
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 3 })));
  await cluster.run(3_000);
  agent.kill(true);
  agent.start();
  expect(await cluster.run(120_000, ended(cluster, id))).toBe(true);
  const lost = [...cluster.truth.executions.values()].filter(({ state }) => state === "lost");
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.every(({ failure }) => failure?.reason === "AGENT_RESTARTED")).toBe(true);
});

test("a draining node gets no new work; undraining it wakes what waits", async () => {
  const cluster = await aCluster({ sweepIntervalMs: 86_400_000 });
  const agent = cluster.addAgent();
  await joined(cluster);
  await cluster.clock.until(cluster.reach().setDraining(agent.options.id, true));
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec()));
  await cluster.run(5_000);
  expect(cluster.truth.jobs.get(id)).toMatchObject({
    state: "queued",
    waiting: { reasons: [{ reason: "NODE_DRAINING" }], isImpossible: false },
  });
  expect(await cluster.clock.until(cluster.reach().plan(aSpec()))).toMatchObject([
    { partitions: 0, reason: "NODE_DRAINING", fitsWhenIdle: true },
  ]);
  await cluster.clock.until(cluster.reach().setDraining(agent.options.id, false));
  expect(await cluster.run(10_000, ended(cluster, id))).toBe(true);
});

test("a node waits for approval, works once approved, and is shut out once rejected", async () => {
  const cluster = await aCluster({ approvesNodes: false, sweepIntervalMs: 86_400_000 });
  const agent = cluster.addAgent({ taskMsMax: 100_000 });
  await joined(cluster);
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec()));
  await cluster.run(1_000);
  expect(cluster.truth.jobs.get(id)?.waiting?.reasons[0]?.reason).toBe("NODE_NOT_APPROVED");
  await cluster.clock.until(cluster.reach().setMembership(agent.options.id, "approved"));
  expect(await cluster.run(5_000, () => agent.running.length === 1)).toBe(true);
  await cluster.clock.until(cluster.reach().setMembership(agent.options.id, "rejected"));
  expect(cluster.truth.unended()).toEqual([]);
  const refused = cluster.reach().join({
    joinToken: "",
    nodeId: agent.options.id,
    name: "x",
    labels: {},
    engines: [],
    network: NO_NODE_NETWORK,
    capacity: capacity(1),
    version: "",
    publicKeyBase64: `key of ${agent.options.id}`,
  });
  await expect(refused).rejects.toMatchObject({ reason: "NODE_REJECTED" });
});

test("a node id with another key is refused", async () => {
  const cluster = await aCluster();
  const agent = cluster.addAgent();
  await joined(cluster);
  const stolen = cluster.reach().join({
    joinToken: "",
    nodeId: agent.options.id,
    name: "x",
    labels: {},
    engines: [],
    network: NO_NODE_NETWORK,
    capacity: capacity(1),
    version: "",
    publicKeyBase64: "another",
  });
  await expect(stolen).rejects.toMatchObject({ reason: "NODE_KEY_MISMATCH" });
});

test("queue and total time-outs fail the job with the reason", async () => {
  const cluster = await aCluster();
  const queue = await cluster.clock.until(cluster.submit("request-1", aSpec({ timeouts: { executionMs: 0, queueMs: 3_000, totalMs: 0 } })));
  await cluster.run(3_100);
  expect(cluster.truth.jobs.get(queue.id)).toMatchObject({
    state: "failed",
    failure: { reason: "QUEUE_TIMEOUT", message: expect.stringContaining("no node has joined") as string },
  });
  cluster.addAgent({ taskMsMax: 1_000_000 });
  const total = await cluster.clock.until(cluster.submit("request-2", aSpec({ timeouts: { executionMs: 0, queueMs: 0, totalMs: 8_000 } })));
  await cluster.run(10_000);
  expect(cluster.truth.jobs.get(total.id)).toMatchObject({ state: "failed", failure: { reason: "TOTAL_TIMEOUT" } });
  expect(await cluster.run(2_000, () => cluster.truth.unended().length === 0)).toBe(true);
});

test("higher priority goes first, then the earlier job", async () => {
  const cluster = await aCluster();
  const resources = capacity(1);
  const low = await cluster.clock.until(cluster.submit("request-1", aSpec({ resources, priority: 0 })));
  const lower = await cluster.clock.until(cluster.submit("request-2", aSpec({ resources, priority: 0 })));
  const high = await cluster.clock.until(cluster.submit("request-3", aSpec({ resources, priority: 9 })));
  cluster.addAgent({ capacity: capacity(1) });
  expect(await cluster.run(60_000, () => [...cluster.truth.jobs.values()].every(({ state }) => isJobEnded(state)))).toBe(true);
  const order = [...cluster.truth.executions.values()].filter(({ state }) => isExecutionEnded(state)).map(({ jobId }) => jobId);
  expect(order).toEqual([high.id, low.id, lower.id]);
});

test.each([
  ["forward, or a machine that slept,", 3_600_000],
  ["back", -3_600_000],
])("a clock that was set %s costs no node its work and keeps nothing waiting", async (_, leapMs) => {
  // What is due is looked at more often than the lease, which would end the term first.
  const cluster = await aCluster({ sweepIntervalMs: 100 });
  cluster.addAgent({ taskMsMax: 60_000 });
  await joined(cluster);
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 3 })));
  for (let leaps = 0; leaps < 20; leaps++) {
    await cluster.run(1_130);
    cluster.clock.leap(leapMs);
  }
  expect(await cluster.run(120_000, ended(cluster, id))).toBe(true);
  expect([...cluster.truth.executions.values()].map(({ state }) => state)).toEqual(["completed", "completed", "completed"]);
});
