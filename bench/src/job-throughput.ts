import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { hasReason } from "@skrei/domain";
import { createHttpTransport } from "@skrei/platform/http-transport.ts";
import { createLogger } from "@skrei/platform/logger.ts";
import { connectNatsBus } from "@skrei/platform/nats-bus.ts";
import { JobService } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { JobSpec } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { eventually } from "../../test/kit/eventually.ts";
import { freePort } from "../../test/kit/free-port.ts";
import { startNatsServer } from "../../test/kit/nats-server.ts";
import { startRedisServer } from "../../test/kit/redis-server.ts";
import { type Launched, launch } from "./launch.ts";
import { median } from "./median.ts";
import { SimulatedAgents } from "./simulated-agents.ts";

/**
 * No-op jobs from submit to completed, durable, on simulated agents: scheduler, NATS and store are real processes; the load generator
 * and all agents share a third. `node bench/src/job-throughput.ts [agents] [jobs]`
 */
const AGENTS = Number(process.argv[2] ?? 1_000);
const JOBS = Number(process.argv[3] ?? 5_000);
const ROUNDS = 3;
let notLeader = 0;
const CONCURRENT_SUBMITS = 64;
const BULK = 500;
const JOIN_TOKEN = "a-join-token-for-the-benchmark";

const SPEC = {
  count: 1,
  task: {
    engine: { case: "wasm", value: { entryModule: "/main.wasm" } },
    inputs: [{ target: "/main.wasm", source: { case: "inline", value: { data: new Uint8Array(16) } } }],
    resources: { cpuMillis: 100n, memoryBytes: 1n << 20n, diskBytes: 1n << 20n },
  },
} as unknown as JobSpec;

console.log(
  `${String(AGENTS)} simulated agents, ${String(JOBS)} jobs a round, ${String(ROUNDS)} rounds; jobs/s from first submit to last completed`,
);
console.log("store          single submits   bulk submits   scheduler CPU ms/job (single, bulk)");
for (const store of ["Redis always", "SQLite FULL"] as const) await measure(store);
if (notLeader > 0) console.log(`${String(notLeader)} submits were sent again because the scheduler had lost its lease`);

async function measure(storeName: "Redis always" | "SQLite FULL"): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skrei-bench-"));
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const nats = stack.use(await startNatsServer());
  const storeUrl = storeName === "SQLite FULL" ? `sqlite:${join(folder, "state.db")}` : stack.use(await startRedisServer()).url;
  const port = await freePort();
  const scheduler = stack.use(
    launch("services/scheduler/src/main.ts", {
      SKREI_SCHEDULER_LISTEN_PORT: String(port),
      SKREI_SCHEDULER_STORE_URL: storeUrl,
      SKREI_SCHEDULER_NATS_URL: nats.url,
      SKREI_SCHEDULER_JOIN_TOKEN: JOIN_TOKEN,
      SKREI_SCHEDULER_HEARTBEAT_TIMEOUT_MS: "60000",
      SKREI_SCHEDULER_LOG_LEVEL: "error",
    }),
  );
  const api = createHttpTransport({ url: `http://127.0.0.1:${String(port)}` });
  const jobs = createClient(JobService, api);
  await eventually(
    async () =>
      await jobs.listJobs({ pageSize: 1 }).then(
        () => true,
        () => false,
      ),
    Boolean,
    { withinMs: 20_000 },
  );
  const bus = await connectNatsBus({
    urls: [nats.url],
    cluster: "skrei",
    name: "agents",
    logger: createLogger({ service: "bench", level: "error" }),
  });
  stack.defer(async () => await bus.close());
  const beating = new AbortController();
  stack.defer(() => beating.abort());
  const agents = await SimulatedAgents.join({ count: AGENTS, bus, api, joinToken: JOIN_TOKEN });
  agents.beat(10_000, beating.signal);

  const single = await rounds(scheduler, jobs, async () => await submitSingly(jobs));
  const bulk = await rounds(scheduler, jobs, async () => await submitInBulk(jobs));
  const cells = [storeName.padEnd(12), single.rate.toFixed(0).padStart(14), bulk.rate.toFixed(0).padStart(14)];
  console.log(cells.join("   "), `  ${single.cpuMs.toFixed(2)}, ${bulk.cpuMs.toFixed(2)}`);
}

type Jobs = ReturnType<typeof createClient<typeof JobService>>;

async function rounds(scheduler: Launched, jobs: Jobs, submit: () => Promise<void>): Promise<{ rate: number; cpuMs: number }> {
  const rates: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const cpuBefore = scheduler.cpuMs();
    const startMs = performance.now();
    await submit();
    await eventually(
      async () => await unfinished(jobs),
      (count) => count === 0,
      { withinMs: 180_000, everyMs: 25 },
    );
    rates.push(JOBS / ((performance.now() - startMs) / 1000));
    cpus.push((scheduler.cpuMs() - cpuBefore) / JOBS);
  }
  return { rate: median(rates), cpuMs: median(cpus) };
}

async function unfinished(jobs: Jobs): Promise<number> {
  const page = await jobs.listJobs({ pageSize: 1, filter: "state:pending|queued|running" });
  return page.jobs.length;
}

async function submitSingly(jobs: Jobs): Promise<void> {
  let left = JOBS;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const request = { requestId: randomUUID(), spec: SPEC };
      await untilTaken(async () => await jobs.submitJob(request));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_SUBMITS }, worker));
}

async function submitInBulk(jobs: Jobs): Promise<void> {
  const batches = Array.from({ length: Math.ceil(JOBS / BULK) }, (_, index) => Math.min(BULK, JOBS - index * BULK));
  await Promise.all(
    batches.map(async (size) => {
      const request = { jobs: Array.from({ length: size }, () => ({ requestId: randomUUID(), spec: SPEC })) };
      await untilTaken(async () => await jobs.submitJobs(request));
    }),
  );
}

/** As a client does: a scheduler that lost its lease for a moment is asked again with the same request ids. */
async function untilTaken(submit: () => Promise<unknown>): Promise<void> {
  const isTaken = async (): Promise<boolean> => await submit().then(() => true, ignoreNotLeader);
  await eventually(isTaken, Boolean, { withinMs: 60_000, everyMs: 250 });
}

function ignoreNotLeader(error: unknown): boolean {
  if (!hasReason(error, "NOT_LEADER")) throw error;
  notLeader += 1;
  return false;
}
