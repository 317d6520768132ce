import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DomainError, hasReason, type Job } from "@skrei/domain";
import { createRedisStateStore } from "../../services/scheduler/src/adapters/redis-state-store.ts";
import type { Clock, StateChange, StateStore } from "../../services/scheduler/src/ports.ts";
import { eventually } from "../kit/eventually.ts";
import { freePort, startRedisServer } from "../kit/redis-server.ts";
import { aChange, aJob, anEvent, anExecution } from "./state-store-records.ts";

const clock: Clock = { nowMs: () => Date.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }) };

describe("Redis state store and its server", () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => {
    stack = new AsyncDisposableStack();
  });
  afterEach(() => stack.disposeAsync());

  function storeAt(url: string, password?: string): StateStore {
    const store = createRedisStateStore({ url, prefix: "skrei", clock, ...(password === undefined ? {} : { password }) });
    stack.defer(() => store.stop());
    return store;
  }

  async function started(url: string, password?: string): Promise<StateStore> {
    const store = storeAt(url, password);
    await store.start();
    return store;
  }

  test("names every unsafe setting, its value, what is wanted and the lines to write", async () => {
    const server = stack.use(await startRedisServer({ appendonly: "no", appendfsync: "everysec", "maxmemory-policy": "allkeys-lru" }));
    const error = await storeAt(server.url)
      .start()
      .catch((thrown: unknown) => thrown);
    expect(error).toSatisfy((thrown) => hasReason(thrown, "STORE_SETTINGS_UNSAFE"));
    const { kind, message, metadata } = error as DomainError;
    expect(kind).toBe("precondition");
    for (const part of [
      "appendonly is no and must be yes",
      "appendfsync is everysec and must be always",
      "maxmemory-policy is allkeys-lru and must be noeviction",
    ]) {
      expect(message).toContain(part);
    }
    expect(metadata).toMatchObject({ appendonly: "no", appendfsync: "everysec", "maxmemory-policy": "allkeys-lru" });
    expect(metadata["hint"]).toMatch(/\nappendonly yes\nappendfsync always\nmaxmemory-policy noeviction$/u);
  });

  test("takes no commit from a server that came back with unsafe settings", async () => {
    const server = stack.use(await startRedisServer());
    const store = await started(server.url);
    const term = await take(store);
    await using admin = await connected(server.url);
    await admin.client.config("SET", "appendfsync", "everysec");
    await admin.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await expect(
      eventually(
        () => store.commit(aChange(term, { jobs: [aJob()] })),
        () => false,
        { withinMs: 5_000 },
      ),
    ).rejects.toMatchObject({ reason: "STORE_SETTINGS_UNSAFE" });
    await admin.client.config("SET", "appendfsync", "always");
    expect(await store.commit(aChange(term, { jobs: [aJob()] }))).toBe("committed");
  });

  test("uses the password and never shows it", async () => {
    const server = stack.use(await startRedisServer({ requirepass: "right" }));
    await started(server.url, "right");
    const error = await storeAt(server.url, "hunter2")
      .start()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "unavailable", reason: "STORE_UNAVAILABLE" });
    expect(inspected(error)).toContain(`127.0.0.1:${server.port}`);
    expect(inspected(error)).toContain("WRONGPASS");
    expect(inspected(error)).not.toContain("hunter2");
  });

  test("says where it looked when nobody answers", async () => {
    const port = await freePort();
    const store = storeAt(`redis://:hunter2@127.0.0.1:${port}`);
    const error = await store.start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "unavailable", reason: "STORE_UNAVAILABLE", metadata: { address: `127.0.0.1:${port}` } });
    expect(inspected(error)).not.toContain("hunter2");
  });

  test("starts on the second attempt when the server came later, and refuses data of a newer version", async () => {
    const server = stack.use(await startRedisServer());
    await server.kill();
    const store = storeAt(server.url);
    await expect(store.start()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await server.startAgain();
    await store.start();
    await using admin = await connected(server.url);
    await admin.client.hset("{skrei}:meta", "schema", 99);
    await expect(storeAt(server.url).start()).rejects.toMatchObject({ kind: "precondition", reason: "DATA_TOO_NEW" });
  });

  test("keeps the leases and terms of two processes apart", async () => {
    const server = stack.use(await startRedisServer());
    const [first, second] = [await started(server.url), await started(server.url)];
    const term = await take(first);
    expect(await second.acquireLease({ holder: "b", ttlMs: 60_000 })).toEqual({ isHeld: false, holder: "a" });
    await server.kill();
    await server.startAgain();
    expect(await second.acquireLease({ holder: "b", ttlMs: 60_000 })).toEqual({ isHeld: false, holder: "a" });
    await first.releaseLease("a");
    const next = await second.acquireLease({ holder: "b", ttlMs: 60_000 });
    expect(next.isHeld && next.term > term).toBe(true);
    expect(await first.commit(aChange(term, { jobs: [aJob()] }))).toBe("staleTerm");
    expect(await second.countJobs()).toBe(0);
  });

  test("loses no acknowledged commit when the server is killed, and goes on by itself", async () => {
    const server = stack.use(await startRedisServer());
    const store = await started(server.url);
    const term = await take(store);
    const acknowledged: StateChange[] = [];
    for (let round = 0; round < 3; round++) {
      const target = acknowledged.length + 60;
      const writing = write(store, term, acknowledged, target);
      await eventually(
        () => acknowledged.length,
        (count) => count >= target - 40,
        { withinMs: 20_000 },
      );
      await server.kill();
      await server.startAgain();
      await writing;
      expect(await store.listEvents(0, 10_000)).toEqual(acknowledged.flatMap(({ events }) => events));
      expect(await store.countJobs()).toBe(acknowledged.length);
      expect((await store.loadLive()).executions).toHaveLength(acknowledged.length);
    }
  });

  test("reports a server that hangs within the time-out, and finds out later that the commit had happened", async () => {
    const server = stack.use(await startRedisServer());
    const store = await started(server.url);
    const term = await take(store);
    await store.commit(aChange(term, { events: [anEvent(1)] }));
    const job = aJob();
    const change = aChange(term, { jobs: [job], events: [anEvent(2, job.id)] });
    server.pause();
    stack.defer(() => server.resume());
    await expect(store.commit(change)).rejects.toMatchObject({ kind: "unavailable", reason: "STORE_UNAVAILABLE" });
    await expect(store.getJob(job.id)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    server.resume();
    await using admin = await connected(server.url);
    await eventually(
      () => admin.client.hget("{skrei}:meta", "sequence"),
      (sequence) => sequence === "2",
      { withinMs: 5_000 },
    );
    const other = aChange(term, { events: [anEvent(2), anEvent(3)] });
    await expect(store.commit(other)).rejects.toSatisfy((error) => hasReason(error, "SEQUENCE_MISMATCH"));
    expect(await store.commit(change)).toBe("committed");
    expect(await store.commit(aChange(term, { events: [anEvent(3)] }))).toBe("committed");
    expect(await store.eventRange()).toEqual({ firstSequence: 1, lastSequence: 3 });
  });

  test("refuses the late delivery of an earlier change", async () => {
    const server = stack.use(await startRedisServer());
    const [store, late] = [await started(server.url), await started(server.url)];
    const term = await take(store);
    await take(late);
    const job = aJob();
    const stale = aChange(term, { jobs: [{ ...job, state: "queued" }] });
    await store.loadLive();
    await late.loadLive();
    expect(await store.commit(aChange(term, { jobs: [{ ...job, state: "running" }] }))).toBe("committed");
    // `late` stands for a socket on which an earlier change without events was still under way.
    await expect(late.commit(stale)).rejects.toSatisfy((error) => hasReason(error, "SEQUENCE_MISMATCH"));
    expect((await store.getJob(job.id))?.state).toBe("running");
    expect(await late.commit(stale)).toBe("committed");
  });

  test("wakes those who wait for events of another process, also after the server was away", async () => {
    const server = stack.use(await startRedisServer());
    const [leader, follower] = [await started(server.url), await started(server.url)];
    const term = await take(leader);
    const wait = follower.waitForEvents(0, AbortSignal.timeout(20_000));
    await leader.commit(aChange(term, { events: [anEvent(1)] }));
    await wait;
    expect(await follower.listEvents(0, 9)).toHaveLength(1);
    const signal = AbortSignal.timeout(20_000);
    const second = follower.waitForEvents(1, signal);
    await server.kill();
    await server.startAgain();
    await leader.commit(aChange(term, { events: [anEvent(2)] }));
    await second;
    expect(signal.aborted).toBe(false);
    expect(await follower.listEvents(1, 9)).toHaveLength(1);
  });

  test("lists jobs of one moment while they change their states", async () => {
    const server = stack.use(await startRedisServer());
    const [leader, reader] = [await started(server.url), await started(server.url)];
    const term = await take(leader);
    const jobs = Array.from({ length: 50 }, () => aJob());
    await leader.commit(aChange(term, { jobs }));
    let isDone = false;
    const reading = (async () => {
      for (let reads = 0; !isDone || reads === 0; reads++) {
        const page = await reader.listJobs({ states: [], namespace: "default", before: undefined, limit: 100 });
        expect(page.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id).toReversed());
      }
    })();
    for (const state of ["queued", "running", "completed", "pending", "failed"] as const) {
      for (const job of jobs) await leader.commit(aChange(term, { jobs: [{ ...job, state }] }));
    }
    isDone = true;
    await reading;
  });

  test("removes every key of a job", async () => {
    const server = stack.use(await startRedisServer());
    const store = await started(server.url);
    const term = await take(store);
    const job: Job = { ...aJob(), state: "completed", endedAtMs: 5 };
    await store.commit(aChange(term, { jobs: [job], executions: [anExecution(job)], events: [anEvent(1, job.id), anEvent(2)] }));
    await store.commit(aChange(term, { removedJobIds: [job.id] }));
    await store.commit(aChange(term, { jobs: [], events: [anEvent(3, job.id)] }));
    await using admin = await connected(server.url);
    expect((await admin.client.keys("*")).sort()).toEqual(["{skrei}:events", "{skrei}:lease", "{skrei}:loose-events", "{skrei}:meta"]);
  });

  /** As a leader does: the same change again until there is an answer. */
  async function write(store: StateStore, term: number, acknowledged: StateChange[], target: number): Promise<void> {
    while (acknowledged.length < target) {
      const job = aJob();
      const change = aChange(term, { jobs: [job], executions: [anExecution(job)], events: [anEvent(acknowledged.length + 1, job.id)] });
      await eventually(
        () =>
          store.commit(change).catch((error: unknown) => (hasReason(error, "STORE_UNAVAILABLE") ? "away" : Promise.reject(error as Error))),
        (answer) => answer === "committed",
        {
          withinMs: 20_000,
        },
      );
      acknowledged.push(change);
    }
  }
});

async function take(store: StateStore): Promise<number> {
  const answer = await store.acquireLease({ holder: "a", ttlMs: 60_000 });
  if (!answer.isHeld) throw new Error(`${answer.holder} has the lease`);
  return answer.term;
}

async function connected(url: string): Promise<AsyncDisposable & { readonly client: Redis }> {
  const client = new Redis(url);
  client.on("error", () => undefined); // A test that kills the server means it.
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

function inspected(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return JSON.stringify([String(error), error, String(cause), cause]);
}
