import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import type { Assignment } from "@skrei/compute-agent/ports";
import { createAgentService, type AgentService } from "@skrei/compute-agent/service";
import { newExecutionId, NO_NODE_NETWORK } from "@skrei/domain";
import { silentLogger } from "@skrei/platform/logger.ts";
import { nodeNetworkFromProto } from "@skrei/wire/network.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aJobTask, anAssignment, anHttpNetwork, aTask } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { readTree, startNodeServices, type NodeServices } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import type { Program } from "../kit/program.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";
import { aUse, type ScriptedProxy } from "../kit/scripted-proxy.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];
const OFFERED = { ...NO_NODE_NETWORK, modes: ["none", "http"], domains: ["example.com"], domainCount: 1, policyDigest: "d-1" } as const;
const DENIED = { denied: 1, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message: "evil.example is not on the job's list" };
const FOREVER: Program = { does: "runForever", ignoresTerm: false };
let folder: string;
let scheduler: ScriptedScheduler;
let node: NodeServices;
let proxy: ScriptedProxy;
let executor: ProcessExecutor;
let agent: AgentService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-network-"));
  scheduler = new ScriptedScheduler();
  await scheduler.start();
  node = await startNodeServices(join(folder, "node"));
  proxy = node.doors;
  proxy.offered = OFFERED;
  await startAgent();
});
afterEach(async () => {
  await agent.stop("the test is over");
  for (const { executionId } of await executor.held()) await executor.remove(executionId);
  await scheduler.bus.close();
  await rm(folder, { recursive: true, force: true });
});

async function startAgent(): Promise<void> {
  const joins = scheduler.joins;
  executor = new ProcessExecutor(join(folder, "engine"));
  const config = ComputeAgentConfig.parse({
    dataFolder: join(folder, "agent"),
    schedulerUrls: "http://scheduler.cluster:1234",
    dockerHost: "tcp://docker.cluster:2375",
    stopGraceMs: 500,
    keepFailedMs: 1_000,
    cpuMillis: 4_000,
  });
  const { joinTransport, bus } = scheduler;
  const { fetcher, publisher } = node;
  agent = createAgentService(config, {
    logger: silentLogger,
    executors: () => [executor],
    joinTransport,
    bus,
    fetcher,
    proxy: node.proxy,
    publisher,
  });
  await agent.start();
  await scheduler.joined(joins + 1);
}

async function assign(program: Program | string, ...domains: readonly string[]): Promise<Assignment> {
  const assignment = anAssignment(aTask(program, { network: anHttpNetwork(...domains) }));
  await scheduler.assign([assignment]);
  return assignment;
}

/** Runs, and was told to be refused once. */
async function assignRefused(program: Program | string): Promise<Assignment> {
  const assignment = await assign(program, "example.com");
  await scheduler.reported(assignment.executionId, ["running"]);
  proxy.count(assignment.executionId, aUse({ "evil.example": DENIED }));
  return assignment;
}

test("a task gets the door that was opened for its list, and the proxy is told what the cluster is", async () => {
  const { executionId } = await assign('echo "$http_proxy"', "example.com");
  const door = await eventually(
    () => proxy.doors.get(executionId),
    (value) => value !== undefined,
    { withinMs: 10_000, everyMs: 1 },
  );
  expect(door).toMatchObject({ network: anHttpNetwork("example.com"), owner: agent.nodeId });
  expect(door?.clusterUrls).toEqual([
    "http://scheduler.cluster:1234",
    "http://127.0.0.1:1237",
    "http://127.0.0.1:1238",
    "http://127.0.0.1:1236",
    "tcp://docker.cluster:2375",
    "tcp://bus.cluster:4222",
    "http://publisher.cluster:1236",
    "tcp://store.cluster:6379",
  ]);
  expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "completed" });
  expect(await readTree(node.resultFolder(executionId))).toMatchObject({ stdout: `http://${executionId}:secret@127.0.0.1:3128\n` });
  expect(proxy.doors.size).toBe(0);
});

test("a task without a network costs the proxy no call, and needs no proxy", async () => {
  proxy.isAway = true;
  const task = aTask("true");
  const bids = await scheduler.ask([{ askId: "a-1", job: aJobTask(task), partitions: 1 }]);
  expect(bids).toMatchObject([{ partitions: 1 }]);
  const assignment = anAssignment(task);
  await scheduler.assign([assignment]);
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "completed" });
  expect(proxy.calls.filter((call) => call !== "list")).toEqual([]);
});

test("an agent whose proxy never answered runs what needs none, and refuses the rest", async () => {
  await agent.stop("restart");
  proxy.isAway = true;
  await startAgent();
  const ask = (askId: string, network = aTask("").network) => ({ askId, job: aJobTask(aTask("true", { network })), partitions: 1 });
  expect(await scheduler.ask([ask("a-1"), ask("a-2", anHttpNetwork("example.com"))])).toMatchObject([
    { partitions: 1 },
    { partitions: 0, reason: "DOOR_FAILED", message: "the node's network-proxy has not answered yet" },
  ]);
  expect(nodeNetworkFromProto(scheduler.heartbeats.at(-1)?.network)).toEqual({ ...NO_NODE_NETWORK, modes: [] });
});

test("a bid says what the proxy would refuse, and refuses only what has a network while it is away", async () => {
  const ask = (...domains: readonly string[]) => ({
    askId: `a-${domains.join("-")}`,
    job: aJobTask(aTask("true", { network: anHttpNetwork(...domains) })),
    partitions: 1,
  });
  const full = aTask("true", { network: { mode: "full", domains: [], egressBytesMax: 0 } });
  expect(
    await scheduler.ask([ask("example.com"), ask("example.com", "other.example"), { askId: "a-full", job: aJobTask(full), partitions: 1 }]),
  ).toMatchObject([
    { partitions: 1, reason: undefined },
    { partitions: 0, reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "the node does not allow other.example" },
    { partitions: 0, reason: "NETWORK_MODE_NOT_OFFERED", message: "the node offers network none, http, the task asks for full" },
  ]);
  proxy.isAway = true;
  const none = { askId: "a-none", job: aJobTask(aTask("true")), partitions: 1 };
  expect(await scheduler.ask([ask("example.com"), none])).toMatchObject([
    { partitions: 0, reason: "DOOR_FAILED", message: "the node's network-proxy does not answer" },
    { partitions: 1, reason: undefined },
  ]);
});

test("a policy that changes is told with a heartbeat, though nothing else happens", async () => {
  await toldPolicy("d-1");
  proxy.offered = { ...OFFERED, domains: ["example.com", "other.example"], domainCount: 2, policyDigest: "d-2" };
  expect(await toldPolicy("d-2")).toEqual(proxy.offered);
  proxy.isAway = true;
  const before = scheduler.heartbeats.length;
  await eventually(
    () => scheduler.heartbeats.length,
    (count) => count > before + 2,
    { withinMs: 10_000 },
  );
  expect(await toldPolicy("d-2")).toEqual(proxy.offered);
});

test("a door that the proxy refuses is a lasting refusal, one that cannot be had a passing one", async () => {
  const refused = await assign("true", "other.example");
  expect(await scheduler.reported(refused.executionId, ENDED)).toMatchObject({
    state: "rejected",
    failure: { class: "infrastructure", reason: "NETWORK_DOMAIN_NOT_ALLOWED", message: "the node does not allow other.example" },
  });
  proxy.isAway = true;
  const failed = await assign("true", "example.com");
  expect(await scheduler.reported(failed.executionId, ENDED)).toMatchObject({
    state: "rejected",
    failure: { class: "infrastructure", reason: "DOOR_FAILED" },
  });
});

test("what a task does through its door is told while it runs, and the last count with its end", async () => {
  const { executionId } = await assignRefused(FOREVER);
  const first = await toldUse(executionId, 1);
  expect(first).toMatchObject({ state: "running", networkUse: aUse({ "evil.example": DENIED }) });
  const last = aUse({ "evil.example": { ...DENIED, denied: 3 }, "example.com": { requests: 2, sentBytes: 300, receivedBytes: 4_000 } });
  proxy.isSilent = true;
  proxy.count(executionId, last);
  await executor.stop(executionId, 500);
  expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ state: "failed", networkUse: last });
});

test("the last count comes with a cancelled execution as well", async () => {
  const assignment = await assignRefused(FOREVER);
  await toldUse(assignment.executionId, 1);
  proxy.isSilent = true;
  const last = aUse({ "evil.example": { ...DENIED, denied: 2 } });
  proxy.count(assignment.executionId, last);
  await scheduler.assign([{ ...assignment, desired: "stop" }]);
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({ state: "cancelled", networkUse: last });
});

test("a restarted agent tells what happened while it was away", async () => {
  const { executionId } = await assignRefused(FOREVER);
  await agent.stop("restart");
  const meanwhile = aUse({ "evil.example": { ...DENIED, denied: 5 } });
  proxy.count(executionId, meanwhile);
  await startAgent();
  expect(await toldUse(executionId, 5)).toMatchObject({ state: "running" });
  await agent.stop("restart");
  const last = aUse({ "evil.example": { ...DENIED, denied: 6 } });
  proxy.count(executionId, last);
  await executor.stop(executionId, 500);
  await startAgent();
  expect(await scheduler.reported(executionId, ENDED)).toMatchObject({ networkUse: last });
});

test("counting goes on after the proxy was away, and nothing happens to the task", async () => {
  const { executionId } = await assignRefused(FOREVER);
  await toldUse(executionId, 1);
  proxy.isAway = true;
  proxy.count(executionId, aUse({ "evil.example": { ...DENIED, denied: 2 } }));
  proxy.isAway = false;
  expect(await toldUse(executionId, 2)).toMatchObject({ state: "running" });
});

test("an execution ends with the count that is known when the proxy is away, and its door is closed later", async () => {
  const assignment = await assignRefused(FOREVER);
  await toldUse(assignment.executionId, 1);
  proxy.isAway = true;
  await scheduler.assign([{ ...assignment, desired: "stop" }]);
  expect(await scheduler.reported(assignment.executionId, ENDED)).toMatchObject({
    state: "cancelled",
    networkUse: aUse({ "evil.example": DENIED }),
  });
  expect([...proxy.doors.keys()]).toEqual([assignment.executionId]);
  proxy.isAway = false;
  await noDoors();
});

test("doors of this node that belong to nothing alive are closed, those of others are not", async () => {
  const { nodeId } = agent;
  await agent.stop("restart");
  const ids = [newExecutionId({ nowMs: () => 1, randomBytes: () => randomBytes(10) }), "e-of-another-node"] as const;
  const door = { network: anHttpNetwork("example.com"), clusterUrls: [] };
  proxy.doors.set(ids[0], { ...door, owner: nodeId });
  proxy.doors.set(ids[1], { ...door, owner: "n-other" });
  await startAgent();
  expect([...proxy.doors.keys()]).toEqual([ids[1]]);
});

test("asks the proxy what it would say to a request", async () => {
  const network = anHttpNetwork("example.com");
  proxy.explanation = {
    isAllowed: false,
    reason: "EGRESS_HOST_NOT_ON_JOB_LIST",
    message: "evil.example is not on the job's list",
    hint: "add it to the job's list",
    host: "evil.example",
    port: 443,
    jobRule: "",
    nodeRule: "",
    addresses: [{ address: "203.0.113.7", addressClass: "documentation", isAllowed: false }],
  };
  expect(await scheduler.explain({ url: "https://evil.example/", network })).toEqual(proxy.explanation);
  expect(proxy.explainRequest).toMatchObject({
    owner: expect.stringMatching(/^n-/u),
    clusterUrls: expect.arrayContaining(["http://scheduler.cluster:1234"]),
  });
  proxy.isAway = true;
  await expect(scheduler.explain({ url: "https://evil.example/", network })).rejects.toMatchObject({ kind: "unavailable" });
  scheduler.session = "session-of-another-scheduler";
  await expect(scheduler.explain({ url: "https://evil.example/", network })).rejects.toMatchObject({ reason: "SESSION_ENDED" });
});

function toldUse(executionId: Assignment["executionId"], denied: number): Promise<unknown> {
  return eventually(
    () => scheduler.reportOf(executionId),
    (report) => report?.networkUse?.denied === denied,
    { withinMs: 20_000 },
  );
}

async function toldPolicy(digest: string): Promise<unknown> {
  return await eventually(
    () => nodeNetworkFromProto(scheduler.heartbeats.at(-1)?.network),
    ({ policyDigest }) => policyDigest === digest,
    { withinMs: 10_000 },
  );
}

function noDoors(): Promise<unknown> {
  return eventually(
    () => proxy.doors.size,
    (size) => size === 0,
    { withinMs: 20_000 },
  );
}
