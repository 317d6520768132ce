import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { createRedisStateStore } from "../../services/scheduler/src/adapters/redis-state-store.ts";
import { createSqliteStateStore } from "../../services/scheduler/src/adapters/sqlite-state-store.ts";
import type { Clock, StateChange, StateStore } from "../../services/scheduler/src/ports.ts";
import { aChange, aJob, anEvent, anExecution } from "../../test/contract/state-store-records.ts";
import { startRedisServer } from "../../test/kit/redis-server.ts";

/**
 * Durable commits: a batch of new jobs, each with an execution and an event, one batch after the other. The floor in the same run
 * writes the job's record alone, as many to a flush: SET in a pipeline, INSERT in a transaction.
 */
const BATCHES = [1, 50, 500];
const ROUNDS = 5;
const ROUND_MS = 800;

type Writer = (changes: StateChange) => Promise<void>;
interface Contestant {
  readonly name: string;
  readonly write: Writer;
}

const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), "skrei-bench-"));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const server = stack.use(await startRedisServer());

const pairs = [
  [
    await storeWriter("SQLite FULL", createSqliteStateStore({ path: join(folder, "state.db"), clock })),
    insertWriter(join(folder, "floor.db")),
  ],
  [await storeWriter("Redis always", createRedisStateStore({ url: server.url, prefix: "bench", clock })), setWriter(server.url)],
] as const;

console.log("store         batch     jobs/s   commits/s   floor jobs/s   of the floor");
for (const [contestant, floor] of pairs) {
  for (const batch of BATCHES) {
    const rates: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await jobsPerSecond(contestant.write, batch));
      floors.push(await jobsPerSecond(floor.write, batch));
    }
    const [rate, floorRate] = [median(rates), median(floors)];
    const cells = [
      contestant.name.padEnd(12),
      String(batch).padStart(6),
      rate.toFixed(0).padStart(10),
      (rate / batch).toFixed(0).padStart(11),
    ];
    console.log([...cells, floorRate.toFixed(0).padStart(14), (rate / floorRate).toFixed(2).padStart(14)].join(" "));
  }
}

async function storeWriter(name: string, store: StateStore): Promise<Contestant> {
  await store.start();
  stack.defer(() => store.stop());
  const lease = await store.acquireLease({ holder: "bench", ttlMs: 3_600_000 });
  if (!lease.isHeld) throw new Error(`${lease.holder} has the lease`);
  let sequence = 0;
  return {
    name,
    write: async (change) => {
      const events = change.jobs.map((job) => anEvent(++sequence, job.id));
      const outcome = await store.commit({ ...change, term: lease.term, events });
      if (outcome !== "committed") throw new Error(outcome);
    },
  };
}

function insertWriter(path: string): Contestant {
  const database = new DatabaseSync(path);
  stack.defer(() => database.close());
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE jobs (id TEXT PRIMARY KEY, record TEXT) STRICT");
  const insert = database.prepare("INSERT INTO jobs VALUES (?, ?)");
  return {
    name: "INSERT",
    write: async ({ jobs }) => {
      database.exec("BEGIN IMMEDIATE");
      for (const job of jobs) insert.run(job.id, JSON.stringify(job));
      database.exec("COMMIT");
    },
  };
}

function setWriter(url: string): Contestant {
  const client = new Redis(url);
  stack.defer(() => client.disconnect());
  return {
    name: "SET",
    write: async ({ jobs }) => {
      await Promise.all(jobs.map((job) => client.set(job.id, JSON.stringify(job))));
    },
  };
}

/** Changes are made before the clock runs. */
async function jobsPerSecond(write: Writer, batch: number): Promise<number> {
  let jobsWritten = 0;
  let spentMs = 0;
  while (spentMs < ROUND_MS) {
    const changes = Array.from({ length: Math.max(1, Math.ceil(500 / batch)) }, () => {
      const jobs = Array.from({ length: batch }, () => aJob());
      return aChange(0, { jobs, executions: jobs.map((job) => anExecution(job)) });
    });
    const startedAtMs = performance.now();
    for (const change of changes) await write(change);
    spentMs += performance.now() - startedAtMs;
    jobsWritten += changes.length * batch;
  }
  return (jobsWritten * 1_000) / spentMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
