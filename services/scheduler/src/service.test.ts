import { generateKeyPairSync, sign } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { DomainError, newNodeId, NO_NODE_NETWORK } from "@skrei/domain";
import type { Bus } from "@skrei/platform/bus.ts";
import { systemClock, systemRandomness } from "@skrei/platform/clock.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { AgentControlService, AgentService, AskResponse_BidSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { Assignment } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { Execution_State } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { NetworkService } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { nodeDescriptionToProto } from "@skrei/wire/node.ts";
import { afterEach, expect, test } from "vitest";
import { eventually } from "../../../test/kit/eventually.ts";
import { createSqliteStateStore } from "./adapters/sqlite-state-store.ts";
import { SchedulerConfig } from "./config.ts";
import { createSchedulerService } from "./service.ts";
import type { SchedulerService } from "./service.ts";

const JOIN_TOKEN = "a-join-token-of-a-test";
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

test("a job that comes in over the API reaches an agent on the bus, and its reports end the job", async () => {
  const bus = createMemoryBus();
  undo.push(() => bus.close());
  const scheduler = await aScheduler(bus);
  await anAgent(scheduler, bus);
  const jobs = createClient(JobService, createRouterTransport(scheduler.routes));
  const wasm = { case: "wasm" as const, value: { entryModule: "/main.wasm" } };
  const inputs = [{ target: "/main.wasm", source: { case: "inline" as const, value: { data: new Uint8Array(8) } } }];
  const { job } = await jobs.submitJob({
    requestId: "request-1",
    spec: { task: { engine: wasm, inputs, timeouts: { execution: durationFromMs(1_000) } } },
  });
  expect(job?.state).toBe(Job_State.PENDING);
  const read = async (): Promise<Job_State | undefined> => (await jobs.getJob({ jobId: job?.jobId ?? "" })).job?.state;
  expect(await eventually(read, (state) => state === Job_State.COMPLETED, { withinMs: 10_000 })).toBe(Job_State.COMPLETED);
});

test("what a node's proxy would say is asked over the bus, and a node that does not answer is named", async () => {
  const bus = createMemoryBus();
  undo.push(() => bus.close());
  const scheduler = await aScheduler(bus);
  await anAgent(scheduler, bus);
  const network = createClient(NetworkService, createRouterTransport(scheduler.routes));
  const ask = async (url: string) => (await network.explainEgress({ url, network: { mode: Network_Mode.FULL } })).nodes;
  expect(await ask("https://a.example/x")).toMatchObject([
    { nodeName: "node-1", explanation: { allowed: true, message: "https://a.example/x 3" } },
  ]);
  expect(await ask("https://unreachable.example")).toMatchObject([{ nodeName: "node-1", problem: "The proxy does not answer." }]);
});

test("agents are served only while this process leads", async () => {
  const bus = createMemoryBus();
  undo.push(() => bus.close());
  const scheduler = await aScheduler(bus);
  const agents = createClient(AgentService, bus.transport({ kind: "scheduler" }));
  await expect(agents.heartbeat({ nodeId: "n-1" })).rejects.toMatchObject({ reason: "SESSION_ENDED" });
  await scheduler.stop("test");
  expect(scheduler.isReady()).toBe(false);
  await expect(agents.heartbeat({ nodeId: "n-1" })).rejects.toMatchObject({ reason: "NO_RESPONDER" });
  await expect(scheduler.commands.submit([])).rejects.toMatchObject({ reason: "NOT_LEADER" });
});

async function aScheduler(bus: Bus): Promise<SchedulerService> {
  const store = createSqliteStateStore({ path: ":memory:", clock: systemClock });
  const config = SchedulerConfig.parse({ joinToken: JOIN_TOKEN });
  const scheduler = createSchedulerService(config, { logger: silentLogger, store, bus });
  await scheduler.start();
  undo.push(() => scheduler.stop("test"));
  await eventually(scheduler.isReady, (isReady) => isReady, { withinMs: 5_000 });
  return scheduler;
}

/** Takes every task and reports at once that it completed. */
async function anAgent(scheduler: SchedulerService, bus: Bus): Promise<void> {
  const nodeId = newNodeId({ nowMs: () => systemClock.nowMs(), randomBytes: () => systemRandomness.randomBytes() });
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const rawKey = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const capacity = { cpuMillis: 4_000, memoryBytes: 2 ** 33, diskBytes: 2 ** 36 };
  const engines = [{ name: "wasm" as const, version: "1", isAvailable: true, message: "" }];
  const node = nodeDescriptionToProto({
    nodeId,
    name: "node-1",
    labels: {},
    engines,
    network: NO_NODE_NETWORK,
    capacity,
    version: "1",
    publicKeyBase64: rawKey.toString("base64"),
  });
  const joinTimeMs = BigInt(systemClock.nowMs());
  const signature = sign(null, Buffer.from(`skrei-join:${nodeId}:${String(joinTimeMs)}`), privateKey);
  const overHttp = createClient(AgentService, createRouterTransport(scheduler.routes));
  const { session } = await overHttp.join({ joinToken: JOIN_TOKEN, node, signature, joinTimeMs });
  const overBus = createClient(AgentService, bus.transport({ kind: "scheduler" }));
  const server = await bus.serve({ kind: "node", nodeId }, (router) => {
    router.service(AgentControlService, {
      ask: ({ asks }) => ({ bids: asks.map(({ askId, partitions }) => create(AskResponse_BidSchema, { askId, partitions })) }),
      explainEgress: ({ url, network }) => {
        if (url.includes("unreachable")) throw new DomainError("unavailable", "DOOR_FAILED", "The proxy does not answer.");
        return { explanation: { allowed: true, message: `${url} ${String(network?.mode)}` } };
      },
      assign: ({ assignments, resultsIn }) => {
        void overBus.report({ nodeId, session, reports: assignments.map(completed) });
        return { appliedToken: resultsIn };
      },
    });
  });
  undo.push(async () => await server[Symbol.asyncDispose]());
  await overBus.report({ nodeId, session, complete: true });
}

function completed({ executionId, epoch }: Assignment): { executionId: string; epoch: bigint; state: Execution_State; exitCode: number } {
  return { executionId, epoch, state: Execution_State.COMPLETED, exitCode: 0 };
}
