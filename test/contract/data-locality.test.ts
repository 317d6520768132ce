import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createRouterTransport, type Client } from "@connectrpc/connect";
import { ComputeAgentConfig } from "@skrei/compute-agent/config";
import { createAgentService } from "@skrei/compute-agent/service";
import { createClient } from "@skrei/platform/client.ts";
import { systemClock } from "@skrei/platform/clock.ts";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { Execution_State, type Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { Constraint_Operator, type JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { SchedulerConfig } from "@skrei/scheduler/config";
import { openStore } from "@skrei/scheduler/open-store";
import { createSchedulerService } from "@skrei/scheduler/service";
import { StorageFetcherConfig } from "@skrei/storage-fetcher/config";
import { createStorageFetcherService } from "@skrei/storage-fetcher/service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../kit/eventually.ts";
import { startNodeServices } from "../kit/node-services.ts";
import { ProcessExecutor } from "../kit/process-executor.ts";

const GIB = 2 ** 30;
/** More than the scheduler asks at once. */
const NODES = 5;
const ETAG = '"one"';
const JOIN_TOKEN = "a-join-token-of-a-test";
const stack = new AsyncDisposableStack();
const names = new Map<string, string>();
const bus = createMemoryBus();
let jobs: Client<typeof JobService>;
let url: string;
let sentBytes = 0;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "data-locality-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await startOrigin();
  const config = SchedulerConfig.parse({
    storeUrl: "sqlite::memory:",
    joinToken: JOIN_TOKEN,
    linkSecret: "a-link-secret-of-a-test-0123456789abcdef",
  });
  const scheduler = createSchedulerService(config, { logger: silentLogger, bus, store: openStore(config, systemClock) });
  await scheduler.start();
  stack.defer(() => scheduler.stop("the test is over"));
  await eventually(() => scheduler.isReady(), Boolean, { withinMs: 10_000 });
  const transport = clientErrors(createRouterTransport(scheduler.routes));
  jobs = createClient(JobService, transport);
  for (let number = 0; number < NODES; number++) await startNode(join(folder, `node-${number}`), { name: `node-${number}`, transport });
}, 60_000);
afterAll(() => stack.disposeAsync(), 60_000);

/** A GiB that nobody has to store here, of one version. */
async function startOrigin(): Promise<void> {
  const piece = Buffer.alloc(1_048_576, "skrei");
  const pieces = function* (): Generator<Buffer> {
    for (let sent = 0; sent < GIB; sent += piece.length) {
      sentBytes += piece.length;
      yield piece;
    }
  };
  const origin = createServer((request, response) => {
    if (request.headers["if-none-match"] === ETAG) return void response.writeHead(304, { etag: ETAG }).end();
    response.writeHead(200, { "content-length": GIB, etag: ETAG });
    if (request.method === "HEAD") return void response.end();
    Readable.from(pieces()).pipe(response);
  }).listen(0, "127.0.0.1");
  stack.defer(async () => {
    origin.closeAllConnections();
    origin.close();
    await once(origin, "close");
  });
  await once(origin, "listening");
  url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/large`;
}

async function startNode(
  folder: string,
  { name, transport }: { readonly name: string; readonly transport: ReturnType<typeof clientErrors> },
): Promise<void> {
  const { proxy, publisher } = await startNodeServices(join(folder, "services"));
  const fetcher = createStorageFetcherService(
    StorageFetcherConfig.parse({ dataFolder: join(folder, "fetcher"), allowedPrivateCidrs: ["127.0.0.0/8"] }),
    { logger: silentLogger },
  );
  await fetcher.start();
  stack.defer(() => fetcher.stop("the test is over"));
  const executor = new ProcessExecutor(join(folder, "engine"));
  const agent = createAgentService(
    ComputeAgentConfig.parse({
      dataFolder: join(folder, "agent"),
      joinToken: JOIN_TOKEN,
      nodeName: name,
      cpuMillis: 2_000,
      memoryBytes: GIB,
      diskBytes: 4 * GIB,
    }),
    {
      logger: silentLogger,
      executors: () => [executor],
      joinTransport: transport,
      bus,
      fetcher: clientErrors(createRouterTransport(fetcher.routes, { router: { interceptors: [serverErrors(silentLogger)] } })),
      proxy,
      publisher,
    },
  );
  await agent.start();
  stack.defer(() => agent.stop("the test is over"));
  await agent.joined();
  names.set(agent.nodeId, name);
}

function spec(script = "wc -c < /in") {
  return {
    task: {
      engine: { case: "docker" as const, value: { image: "busybox", entrypoint: ["sh", "-c"], parameters: [script] } },
      inputs: [{ target: "/in", source: { case: "http" as const, value: { url } } }],
      resources: { cpuMillis: 200n, memoryBytes: 16_777_216n, diskBytes: BigInt(1.5 * GIB) },
    },
  };
}

/** Until the job is in this state. Its only execution. */
async function run(job: MessageInitShape<typeof JobSpecSchema>, state: Job_State): Promise<Execution> {
  const { job: submitted } = await jobs.submitJob({ requestId: crypto.randomUUID(), spec: job });
  const jobId = submitted?.jobId ?? "";
  const found = await eventually(
    async () => (await jobs.getJob({ jobId })).job,
    (now) => now !== undefined && now.state >= state,
    { withinMs: 60_000 },
  );
  const [execution] = (await jobs.listExecutions({ jobId })).executions;
  if (found?.state !== state || execution === undefined) throw new Error(`the job is another way: ${found?.failure?.message}`);
  return execution;
}

test(
  "of five nodes, the one that has the GiB gets each of twenty jobs that read it, though others are freer",
  { timeout: 180_000 },
  async () => {
    const first = await run(spec(), Job_State.COMPLETED);
    expect(first.inputs).toMatchObject([{ target: "/in", sizeBytes: BigInt(GIB), movedBytes: BigInt(GIB) }]);
    const constraints = [{ key: "name", operator: Constraint_Operator.EQUALS, values: [names.get(first.nodeId) ?? ""] }];
    const busy = await run({ ...spec("while :; do sleep 0.1; done"), constraints }, Job_State.RUNNING);
    const plan = await jobs.planJob({ spec: spec() });
    const toFetch = new Map(plan.nodes.map(({ nodeId, missingBytes }) => [nodeId, missingBytes]));
    expect(toFetch.get(first.nodeId)).toBe(0n);
    expect([...toFetch.values()].filter((bytes) => bytes === BigInt(GIB))).toHaveLength(NODES - 1);
    for (let number = 0; number < 20; number++) {
      const next = await run(spec(), Job_State.COMPLETED);
      expect(next).toMatchObject({ nodeId: first.nodeId, inputs: [{ movedBytes: 0n, digest: first.inputs[0]?.digest }] });
    }
    expect(sentBytes).toBe(GIB);
    await jobs.stopJob({ jobId: busy.jobId });
    await eventually(
      async () => (await jobs.listExecutions({ jobId: busy.jobId })).executions[0]?.state,
      (state) => state === Execution_State.CANCELLED,
      { withinMs: 20_000 },
    );
  },
);
