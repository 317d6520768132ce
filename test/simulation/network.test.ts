import { isJobEnded } from "@skrei/domain";
import type { Job, Network } from "@skrei/domain";
import { afterEach, expect, test } from "vitest";
import type { SimAgentOptions } from "./sim-agent.ts";
import { SimCluster } from "./sim-cluster.ts";
import { aSpec } from "./sim-spec.ts";

const clusters: SimCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

const NETWORK: Network = { mode: "http", domains: ["a.example", "b.example"], egressBytesMax: 0 };

/** A cluster of these agents, whose safety net is off: events alone must bring work forward. */
async function clusterOf(agents: readonly Partial<SimAgentOptions>[]): Promise<SimCluster> {
  const cluster = await new SimCluster(1, { sweepIntervalMs: 86_400_000 }).start();
  clusters.push(cluster);
  for (const agent of agents) cluster.addAgent(agent);
  expect(await cluster.run(10_000, () => cluster.truth.nodes.size === agents.length)).toBe(true);
  await cluster.run(2_100);
  return cluster;
}

async function submit(cluster: SimCluster, network = NETWORK): Promise<() => Job | undefined> {
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ network })));
  return () => cluster.truth.jobs.get(id);
}

test("a job whose list no node covers is impossible at once, and says which node lacks what", async () => {
  const cluster = await clusterOf([{ allows: ["a.example"] }, { allows: ["a.example"] }, { allows: [] }, {}]);
  const job = await submit(cluster);
  expect(await cluster.run(1_000, () => job()?.waiting?.isImpossible === true)).toBe(true);
  expect(job()?.waiting?.reasons).toEqual([
    { reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "does not allow b.example", nodes: 2 },
    { reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "does not allow a.example, b.example", nodes: 1 },
    { reason: "NETWORK_MODE_NOT_OFFERED", message: "wants network http, the node offers none", nodes: 1 },
  ]);
});

test("a plan says the same of each node", async () => {
  const cluster = await clusterOf([{ allows: ["a.example"] }, {}, { allows: ["a.example", "b.example"] }]);
  const plans = await cluster.clock.until(cluster.reach().plan(aSpec({ network: NETWORK })));
  const planOf = (name: string): object | undefined => plans.find(({ nodeId }) => cluster.truth.nodes.get(nodeId)?.name === name);
  expect(["node-1", "node-2", "node-3"].map(planOf)).toMatchObject([
    { partitions: 0, reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "does not allow b.example", fitsWhenIdle: false },
    { partitions: 0, reason: "NETWORK_MODE_NOT_OFFERED", message: "wants network http, the node offers none", fitsWhenIdle: false },
    { partitions: 1, fitsWhenIdle: true },
  ]);
});

test.each([
  ["lists too little", ["a.example"]],
  ["offers no network", undefined],
])("a job that waits for a node that %s is placed as soon as its policy allows it", async (_, allows) => {
  const cluster = await clusterOf([allows === undefined ? {} : { allows }]);
  const job = await submit(cluster);
  await cluster.run(120_000);
  expect(job()?.waiting).toMatchObject({ isImpossible: true, nodes: 1 });
  const [agent] = cluster.agents.values();
  agent?.allow(NETWORK.domains);
  expect(await cluster.run(100, () => agent?.running.length === 1)).toBe(true);
  expect(await cluster.run(10_000, () => isJobEnded(job()?.state ?? "pending"))).toBe(true);
  const updates = (await cluster.store.listEvents(0, 1_000)).filter(({ type }) => type === "node.updated");
  expect(updates).toHaveLength(1);
});

test("a policy that still lacks something says what it lacks now", async () => {
  const cluster = await clusterOf([{ allows: [] }]);
  const job = await submit(cluster);
  expect(await cluster.run(1_000, () => job()?.waiting?.isImpossible === true)).toBe(true);
  cluster.agents.values().next().value?.allow(["b.example"]);
  await cluster.run(500);
  expect(job()?.waiting).toMatchObject({ isImpossible: true, reasons: [{ message: "does not allow a.example" }] });
});

test("heartbeats that come early, however many, are no reason to doubt what the node holds", async () => {
  const cluster = await clusterOf([{ allows: NETWORK.domains, taskMsMax: 200 }]);
  const [agent] = cluster.agents.values();
  const before = agent?.completeSets;
  const job = await submit(cluster);
  for (let i = 0; i < 2_000 && !isJobEnded(job()?.state ?? "pending"); i++) {
    agent?.allow(NETWORK.domains);
    await cluster.run(1);
  }
  expect(job()?.state).toBe("completed");
  expect(agent?.completeSets).toBe(before);
});

test("what executions did on the network is counted, and each host that refused them is told of", async () => {
  const cluster = await clusterOf([{ allows: NETWORK.domains, taskMsMax: 60_000 }]);
  const { id } = await cluster.clock.until(cluster.submit("request-1", aSpec({ count: 3, network: NETWORK })));
  expect(await cluster.run(300_000, () => cluster.truth.jobs.get(id)?.state === "completed")).toBe(true);
  const denials = (await cluster.store.listJobEvents(id, 0, 1_000)).filter(({ type }) => type === "execution.egress_denied");
  for (const { id: executionId, networkUse } of await cluster.store.listExecutions(id, undefined, 10)) {
    const refused = networkUse?.hosts.filter(({ denied }) => denied > 0) ?? [];
    const told = denials.flatMap((event) => (event.executionId === executionId ? [event.message ?? ""] : []));
    const sums = refused.filter(({ denied }) => denied > 1);
    const expected = [
      ...refused.map(({ message }) => message),
      ...sums.map(({ host, denied, message }) => `${denied} requests to ${host} were refused, the last one: ${message}`),
    ];
    expect(new Set(told)).toEqual(new Set(expected));
    expect(told).toHaveLength(expected.length);
  }
});
