import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { type AgentService, createAgentService } from "@skrei/compute-agent/service";
import type { Publisher } from "@skrei/domain";
import { createClient } from "@skrei/platform/client.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { PublishService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { StoreService } from "@skrei/proto/skrei/data/v1/store_service_pb.ts";
import { PublisherConfig } from "@skrei/publisher/config";
import { createPublisherService, type PublisherService } from "@skrei/publisher/service";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aJobTask, anAssignment, aTask } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { type KuboServer, startKuboServer } from "../kit/kubo-server.ts";
import { startNodeServices } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { ScriptedScheduler } from "../kit/scripted-scheduler.ts";

const ENDED = ["completed", "failed", "rejected", "cancelled", "discarded"];
/** All that the node has. */
const WHOLE_NODE = { cpuMillis: 1_000, memoryBytes: 1_048_576, diskBytes: 1_048_576 };
const SMALL = { cpuMillis: 100, memoryBytes: 1_000, diskBytes: 1_000 };
const TOKEN = "cluster-token";
let folder: string;
let kubo: KuboServer;
let scheduler: ScriptedScheduler;
let publisher: PublisherService;
let executor: ProcessExecutor;
let agent: AgentService | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-targets-"));
  kubo = await startKuboServer();
  scheduler = new ScriptedScheduler();
  await scheduler.start();
  const settings = {
    dataFolder: join(folder, "publisher"),
    freeBytesMin: 0,
    publishToken: TOKEN,
    ipfsRpcUrl: kubo.url,
    publishFolders: join(folder, "no-such"),
  };
  publisher = createPublisherService(PublisherConfig.parse(settings), { logger: silentLogger });
  await publisher.start();
});
afterEach(async () => {
  await agent?.stop("the test is over");
  agent = undefined;
  for (const { executionId } of await executor.held()) await executor.remove(executionId);
  await publisher.stop("the test is over");
  await scheduler.bus.close();
  await kubo[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test("a target that is away is waited for, with the reason, and the node's room is free meanwhile", async () => {
  await startAgent();
  await kubo.stop();
  const waiting = anAssignment(taskTo({ type: "ipfs" }));
  await scheduler.assign([waiting]);
  const { executionId } = waiting;
  await eventually(
    () => scheduler.reportOf(executionId),
    (report) => report?.transfer?.waiting !== undefined,
    { withinMs: 20_000 },
  );
  expect(scheduler.reportOf(executionId)).toMatchObject({
    state: "publishing",
    transfer: { kind: "result", waiting: { reason: "TARGET_UNAVAILABLE", message: expect.stringContaining("ECONNREFUSED") as string } },
  });
  const [bid] = await scheduler.ask([{ askId: "next", job: aJobTask(taskTo({ type: "cluster" })), partitions: 1 }]);
  expect(bid).toMatchObject({ partitions: 1 });
  const next = anAssignment(taskTo({ type: "cluster" }), { askId: "next" });
  await scheduler.assign([next]);
  expect(await scheduler.reported(next.executionId, ENDED)).toMatchObject({ state: "completed" });
  expect(scheduler.reportOf(executionId)).toMatchObject({ state: "publishing" });
  await kubo.startAgain();
  const report = await scheduler.reported(executionId, ENDED);
  expect(report).toMatchObject({ state: "completed", deliveryUrl: `ipfs://${report.resultCid ?? ""}` });
  expect(report.transfer).toBeUndefined();
  expect(kubo.pins.has(report.resultCid ?? "")).toBe(true);
});

test("a result that waits for its target is told of once the cluster's store has it, and stays there when the execution is stopped", async () => {
  await startAgent();
  await kubo.stop();
  const assignment = await assign({ type: "ipfs" });
  const { executionId } = assignment;
  const waiting = await eventually(
    () => scheduler.reportOf(executionId),
    (report) => report?.manifestCid !== undefined,
    { withinMs: 20_000 },
  );
  expect(waiting).toMatchObject({ state: "publishing", resultCid: expect.stringMatching(/^bafy/u) as string });
  await scheduler.assign([{ ...assignment, desired: "stop" }]);
  const stopped = await scheduler.reported(executionId, ENDED);
  expect(stopped).toMatchObject({ state: "cancelled", resultCid: waiting?.resultCid, manifestCid: waiting?.manifestCid });
  expect(new Set(await rootsOf(executionId))).toEqual(new Set([waiting?.manifestCid, waiting?.resultCid]));
});

test("an agent that starts again goes on waiting, and delivers", async () => {
  await startAgent();
  await kubo.stop();
  const { executionId } = await assign({ type: "ipfs" });
  await eventually(
    () => scheduler.reportOf(executionId),
    (report) => report?.transfer?.waiting !== undefined,
    { withinMs: 20_000 },
  );
  await agent?.stop("restart");
  await startAgent();
  const [bid] = await eventually(
    () => scheduler.ask([{ askId: "next", job: aJobTask(taskTo({ type: "cluster" })), partitions: 1 }]),
    ([answer]) => answer?.partitions === 1,
    { withinMs: 20_000 },
  );
  expect(bid?.reason).toBeUndefined();
  await kubo.startAgain();
  expect(await scheduler.reported(executionId, ENDED)).toMatchObject({
    state: "completed",
    deliveryUrl: expect.stringMatching(/^ipfs:/u) as string,
  });
});

test("a target that refuses ends the execution as the user's failure, with its result in the cluster's store", async () => {
  await startAgent();
  kubo.answerWith({ status: 403, body: "" });
  const { executionId } = await assign({ type: "ipfs" });
  const report = await scheduler.reported(executionId, ENDED);
  expect(report).toMatchObject({ state: "failed", exitCode: 0, failure: { class: "user", reason: "TARGET_REFUSED" } });
  expect(report.resultCid).toMatch(/^bafy/u);
  expect(report.manifestCid).toMatch(/^bafk/u);
  expect(report.deliveryUrl).toBeUndefined();
});

test("a target that the operator took away while the task ran fails it in the same way", async () => {
  await startAgent();
  const report = await scheduler.reported((await assign({ type: "local", path: "/elsewhere/{executionID}" })).executionId, ENDED);
  expect(report).toMatchObject({ state: "failed", failure: { class: "user", reason: "TARGET_NOT_OFFERED" } });
  expect(report.manifestCid).toMatch(/^bafk/u);
});

test("what a failed run left goes to its target too, and is not lost when that is away", async () => {
  await startAgent();
  const delivered = await scheduler.reported((await assign({ type: "ipfs" }, "echo why; exit 3")).executionId, ENDED);
  expect(delivered).toMatchObject({ state: "failed", exitCode: 3, deliveryUrl: `ipfs://${delivered.resultCid ?? ""}` });
  await kubo.stop();
  const kept = await scheduler.reported((await assign({ type: "ipfs" }, "exit 4")).executionId, ENDED);
  expect(kept).toMatchObject({ state: "failed", exitCode: 4, failure: { reason: "EXIT_NONZERO" } });
  expect(kept.manifestCid).toMatch(/^bafk/u);
});

test("a node does not bid for a target that it has not, and a publisher that hangs costs it no bid", async () => {
  await startAgent();
  const publishers: readonly Publisher[] = [
    { type: "ipfs" },
    { type: "s3", bucket: "results", key: "{executionID}", region: "", endpoint: "", encoding: "tar.gz" },
    { type: "local", path: "/elsewhere/{executionID}" },
    { type: "default" },
  ];
  const asks = publishers.map((target, index) => ({
    askId: String(index),
    job: aJobTask({ ...taskTo(target), resources: SMALL }),
    partitions: 1,
  }));
  const bids = await scheduler.ask(asks);
  expect(bids.map(({ partitions, reason }) => [partitions, reason])).toEqual([
    [1, undefined],
    [0, "TARGET_NOT_OFFERED"],
    [0, "TARGET_NOT_OFFERED"],
    [1, undefined],
  ]);
  await agent?.stop("another publisher");
  const hanging = createRouterTransport(({ service }) =>
    service(PublishService, { checkTarget: () => new Promise<never>(() => undefined) }),
  );
  await startAgent(clientErrors(hanging));
  expect(await scheduler.ask([{ askId: "again", job: aJobTask(taskTo({ type: "ipfs" })), partitions: 1 }])).toMatchObject([
    { partitions: 1 },
  ]);
});

function taskTo(target: Publisher, program = "echo done"): ReturnType<typeof aTask> {
  return aTask(program, { publisher: target, resources: WHOLE_NODE });
}

/** What the store keeps for an execution. */
async function rootsOf(executionId: string): Promise<string[]> {
  const store = createClient(StoreService, transportOf(publisher));
  const { pins } = await store.listPins({ ownerPrefix: `execution:${executionId}` }, { headers: { authorization: `Bearer ${TOKEN}` } });
  return pins.map(({ cid }) => cid);
}

async function assign(target: Publisher, program?: string): Promise<ReturnType<typeof anAssignment>> {
  const assignment = anAssignment(taskTo(target, program));
  await scheduler.assign([assignment]);
  return assignment;
}

async function startAgent(through: Transport = transportOf(publisher)): Promise<void> {
  const joins = scheduler.joins;
  const { fetcher, proxy } = await startNodeServices(join(folder, "node"));
  executor = new ProcessExecutor(join(folder, "engine"));
  const config = ComputeAgentConfig.parse({ dataFolder: join(folder, "agent"), stopGraceMs: 1_000, keepFailedMs: 1_500, ...WHOLE_NODE });
  const { joinTransport, bus } = scheduler;
  agent = createAgentService(config, {
    logger: silentLogger,
    executors: () => [executor],
    joinTransport,
    bus,
    fetcher,
    proxy,
    publisher: through,
  });
  await agent.start();
  await scheduler.joined(joins + 1);
}

function transportOf({ routes }: PublisherService): Transport {
  return clientErrors(createRouterTransport(routes, { router: { interceptors: [serverErrors(silentLogger)] } }));
}
