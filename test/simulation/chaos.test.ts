import { isExecutionEnded, isJobEnded } from "@skrei/domain";
import type { JobId } from "@skrei/domain";
import { expect, test } from "vitest";
import type { SimAgent } from "./sim-agent.ts";
import { CALM } from "./lossy-network.ts";
import { SimCluster, capacity } from "./sim-cluster.ts";
import { aSpec } from "./sim-spec.ts";

const SEEDS = Number(process.env["SKREI_SIM_SEEDS"] ?? 12);
const FIRST_SEED = Number(process.env["SKREI_SIM_FIRST_SEED"] ?? 1);

test.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))(
  "whatever breaks for a minute, every invariant holds (seed %d)",
  async (seed) => {
    const { cluster, acknowledged } = await storm(seed);
    calm(cluster);
    const isEveryJobEnded = (): boolean =>
      [...acknowledged].every((id) => isJobEnded(cluster.truth.jobs.get(id)?.state ?? "pending")) && cluster.truth.unended().length === 0;
    expect(await cluster.run(600_000, isEveryJobEnded), `seed ${String(seed)}: ${stuck(cluster)}`).toBe(true);
    for (const id of acknowledged) expect(await cluster.store.getJob(id), `seed ${String(seed)}`).toBeDefined();
    await cluster.stop();
  },
);

test("the same seed is the same run", async () => {
  const traces = await Promise.all([trace(7), trace(7), trace(8)]);
  expect(traces[0]).toBe(traces[1]);
  expect(traces[0]).not.toBe(traces[2]);
});

async function trace(seed: number): Promise<string> {
  const { cluster } = await storm(seed);
  const events = await cluster.store.listEvents(0, 1_000_000);
  await cluster.stop();
  return events.map((event) => JSON.stringify(event)).join("\n");
}

/** A minute in which messages are lost, doubled and late, nodes and leaders die, and the store hiccups. */
async function storm(seed: number): Promise<{ cluster: SimCluster; acknowledged: Set<JobId> }> {
  // Every other storm without the safety net: events alone must bring all work forward.
  const cluster = await new SimCluster(seed, seed % 2 === 0 ? {} : { sweepIntervalMs: 86_400_000 }).start(2);
  const { chance, clock } = cluster;
  const acknowledged = new Set<JobId>();
  for (let i = 0; i < 6; i++) {
    const allows = i % 2 === 0 ? { allows: ["a.example"] } : {};
    cluster.addAgent({ capacity: capacity(chance.between(1, 6)), rejects: 0.05, fails: 0.05, taskMsMax: 5_000, ...allows });
  }
  cluster.network.faults = { drop: 0.05, loseAnswer: 0.05, duplicate: 0.05, stall: 0.1 };
  cluster.storeFaults.failBefore = cluster.storeFaults.failAfter = 0.02;
  const endAtMs = clock.nowMs() + 60_000;
  for (let turn = 0; clock.nowMs() < endAtMs; turn++) {
    const count = chance.between(1, 12);
    const spec = aSpec({
      count,
      ...(chance.happens(0.3) && { network: { mode: "http", domains: ["a.example"], egressBytesMax: 0 } }),
      priority: chance.between(-2, 2),
      resources: { cpuMillis: 250 * chance.between(1, 6), memoryBytes: 2 ** 28, diskBytes: 2 ** 30 },
    });
    void cluster.submit(`request-${String(turn)}`, spec).then(
      ({ id }) => acknowledged.add(id),
      () => undefined,
    );
    strike(cluster, acknowledged);
    await cluster.run(chance.between(200, 3_000));
  }
  return { cluster, acknowledged };
}

function strike(cluster: SimCluster, jobs: ReadonlySet<JobId>): void {
  const { chance } = cluster;
  const agents = [...cluster.agents.values()];
  const agent = agents[chance.between(0, agents.length - 1)] as SimAgent;
  if (chance.happens(0.2)) {
    if (agent.isUp) agent.kill(chance.happens(0.3));
    else agent.start();
  }
  if (chance.happens(0.08)) {
    cluster.crashLeader();
    cluster.startScheduler();
  }
  if (chance.happens(0.1))
    void cluster
      .reach()
      .setDraining(agent.options.id, chance.happens(0.3))
      .catch(() => undefined);
  const victim = [...jobs][chance.between(0, jobs.size)];
  if (victim !== undefined && chance.happens(0.1))
    void cluster
      .reach()
      .stop({ requestId: "", jobId: victim, reason: "" })
      .catch(() => undefined);
  if (victim !== undefined && chance.happens(0.1))
    void cluster
      .reach()
      .rerun({ requestId: "", jobId: victim })
      .catch(() => undefined);
}

function calm(cluster: SimCluster): void {
  cluster.network.faults = CALM;
  cluster.storeFaults.failBefore = cluster.storeFaults.failAfter = 0;
  for (const agent of cluster.agents.values()) {
    if (!agent.isUp) agent.start();
    undrain(cluster, agent);
  }
}

function undrain(cluster: SimCluster, agent: SimAgent): void {
  const again = (): void => cluster.clock.at(cluster.clock.nowMs() + 1_000, () => undrain(cluster, agent));
  try {
    cluster.reach().setDraining(agent.options.id, false).catch(again);
  } catch {
    again(); // No leader at the moment.
  }
}

function stuck(cluster: SimCluster): string {
  const jobs = [...cluster.truth.jobs.values()].filter(({ state }) => !isJobEnded(state)).slice(0, 3);
  const executions = [...cluster.truth.executions.values()].filter(({ state }) => !isExecutionEnded(state)).slice(0, 3);
  return JSON.stringify({ jobs, executions, nodes: [...cluster.truth.nodes.values()] }, null, 1);
}
