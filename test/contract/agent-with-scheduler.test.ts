import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { createRouterTransport, type Client } from "@connectrpc/connect";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { createAgentService, type AgentService } from "@skrei/compute-agent/service";
import { createClient } from "@skrei/platform/client.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { clientErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { NO_NETWORK, NO_NODE_NETWORK } from "@skrei/domain";
import { networkToProto } from "@skrei/wire/network.ts";
import { Job_State, JobSchema, type Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { SchedulerConfig } from "@skrei/scheduler/config";
import { openStore } from "@skrei/scheduler/open-store";
import { createSchedulerService, type SchedulerService } from "@skrei/scheduler/service";
import { afterEach, beforeEach, expect, test } from "vitest";
import { anHttpNetwork } from "../kit/an-assignment.ts";
import { eventually } from "../kit/eventually.ts";
import { startNodeServices, type NodeServices } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";
import { aUse } from "../kit/scripted-proxy.ts";

const JOIN_TOKEN = "a-join-token-of-a-test";
let folder: string;
let node: NodeServices;
let scheduler: SchedulerService;
let agent: AgentService;
let executor: ProcessExecutor;
let jobs: Client<typeof JobService>;
const bus = createMemoryBus();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-scheduler-"));
  node = await startNodeServices(join(folder, "node"));
  const config = SchedulerConfig.parse({
    storeUrl: "sqlite::memory:",
    joinToken: JOIN_TOKEN,
    linkSecret: "a-link-secret-of-a-test-0123456789abcdef",
  });
  scheduler = createSchedulerService(config, { logger: silentLogger, bus, store: openStore(config, systemClock) });
  await scheduler.start();
  await eventually(() => scheduler.isReady(), Boolean, { withinMs: 10_000 });
  jobs = createClient(JobService, clientErrors(createRouterTransport(scheduler.routes)));
  await startAgent();
});
afterEach(async () => {
  await agent.stop("the test is over");
  for (const { executionId } of await executor.held()) await executor.remove(executionId);
  await scheduler.stop("the test is over");
  await rm(folder, { recursive: true, force: true });
});

async function startAgent(): Promise<void> {
  executor = new ProcessExecutor(join(folder, "engine"));
  const { fetcher, proxy, publisher } = node;
  agent = createAgentService(
    ComputeAgentConfig.parse({ dataFolder: join(folder, "agent"), joinToken: JOIN_TOKEN, stopGraceMs: 500, cpuMillis: 2_000 }),
    {
      logger: silentLogger,
      executors: () => [executor],
      joinTransport: clientErrors(createRouterTransport(scheduler.routes)),
      bus,
      fetcher,
      proxy,
      publisher,
    },
  );
  await agent.start();
  await agent.joined();
}

async function submit(script: string, { count = 1, domains = [] as readonly string[] } = {}): Promise<string> {
  const engine = { case: "docker" as const, value: { image: "busybox", entrypoint: ["sh", "-c"], parameters: [script] } };
  const { job } = await jobs.submitJob({
    requestId: crypto.randomUUID(),
    spec: {
      count,
      task: {
        engine,
        network: networkToProto(domains.length === 0 ? NO_NETWORK : anHttpNetwork(...domains)),
        resources: { cpuMillis: 200n, memoryBytes: 16_777_216n, diskBytes: 16_777_216n },
      },
    },
  });
  return job?.jobId ?? "";
}

async function ended(jobId: string): Promise<Job> {
  const read = async (): Promise<Job | undefined> => (await jobs.getJob({ jobId })).job;
  const isEnded = (job: Job | undefined): boolean => job !== undefined && job.state >= Job_State.COMPLETED;
  const job = await eventually(read, isEnded, { withinMs: 30_000 });
  if (job === undefined) throw new Error("unreachable");
  return job;
}

test("a job of many partitions completes", async () => {
  const job = await ended(await submit("echo $SKREI_PARTITION_INDEX of $SKREI_PARTITION_COUNT", { count: 20 }));
  expect(job).toMatchObject({ state: Job_State.COMPLETED, exitCode: 0 });
  expect(node.published.size).toBe(20);
  expect(await executor.held()).toEqual([]);
});

test("a job that exits with 3 fails in its own words", async () => {
  const job = await ended(await submit("echo 'the input is empty' >&2; exit 3"));
  expect(job).toMatchObject({
    state: Job_State.FAILED,
    exitCode: 3,
    failure: { reason: "EXIT_NONZERO", message: expect.stringContaining("the input is empty") },
  });
});

test("a stopped job leaves nothing running", async () => {
  const jobId = await submit("trap '' TERM; while :; do sleep 0.1; done");
  await eventually(
    () => executor.held(),
    (held) => held.some(({ isRunning }) => isRunning),
    { withinMs: 10_000 },
  );
  await jobs.stopJob({ jobId });
  expect(await ended(jobId)).toMatchObject({ state: Job_State.STOPPED });
  await eventually(
    () => executor.held(),
    (held) => held.length === 0,
    { withinMs: 10_000 },
  );
});

test("a running job outlives a restart of its agent", async () => {
  const jobId = await submit("for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.1; done");
  await eventually(
    () => executor.held(),
    (held) => held.some(({ isRunning }) => isRunning),
    { withinMs: 10_000 },
  );
  await agent.stop("restart");
  await startAgent();
  expect(await ended(jobId)).toMatchObject({ state: Job_State.COMPLETED, exitCode: 0 });
  expect((await jobs.listExecutions({ jobId })).executions).toHaveLength(1);
});

test("a job that no node lets out says which name is missing, and runs once the operator lists it", async () => {
  const offered = { ...NO_NODE_NETWORK, modes: ["none", "http"], domains: ["example.com"], domainCount: 1, policyDigest: "d-1" } as const;
  node.doors.offered = offered;
  const jobId = await submit("true", { domains: ["example.com", "data.example.org"] });
  const waiting = await eventually(
    async () => JSON.stringify(toJson(JobSchema, (await jobs.getJob({ jobId })).job ?? create(JobSchema))),
    (job) => job.includes("NETWORK_DOMAIN_NOT_ALLOWED"),
    { withinMs: 20_000 },
  );
  expect(waiting).toContain("data.example.org");
  node.doors.offered = { ...offered, domains: [...offered.domains, "data.example.org"], domainCount: 2, policyDigest: "d-2" };
  expect(await ended(jobId)).toMatchObject({ state: Job_State.COMPLETED, exitCode: 0 });
});

test("a refused request is an event of its job at once", async () => {
  node.doors.offered = { ...NO_NODE_NETWORK, modes: ["none", "http"], domains: ["example.com"], domainCount: 1, policyDigest: "d-1" };
  const jobId = await submit("while :; do sleep 0.05; done", { domains: ["example.com"] });
  const [door] = await eventually(
    async () => ((await executor.held()).some(({ isRunning }) => isRunning) ? [...node.doors.doors.keys()] : []),
    (doors) => doors.length === 1,
    { withinMs: 20_000 },
  );
  const message = "evil.example is not on the job's list";
  node.doors.count(door ?? "", aUse({ "evil.example": { denied: 1, reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message } }));
  const events = await eventually(
    async () => (await jobs.listJobEvents({ jobId })).events.filter(({ type }) => type === "execution.egress_denied"),
    (denials) => denials.length > 0,
    { withinMs: 20_000 },
  );
  expect(events).toMatchObject([{ reason: "EGRESS_HOST_NOT_ON_JOB_LIST", message: expect.stringContaining(message) }]);
  await jobs.stopJob({ jobId });
  expect(await ended(jobId)).toMatchObject({ state: Job_State.STOPPED });
  const { executions } = await jobs.listExecutions({ jobId });
  expect(executions[0]?.networkUse).toMatchObject({ denied: 1n, hosts: [{ host: "evil.example" }] });
});
