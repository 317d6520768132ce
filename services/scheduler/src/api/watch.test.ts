import { create } from "@bufbuild/protobuf";
import type { DomainError, Job, JobId } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { WatchJobsRequestSchema, type WatchJobsResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parseJobSpec } from "@skrei/wire/parse-job-spec.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiCluster, startApiCluster } from "../../../../test/kit/scheduler-api.ts";
import { createSqliteStateStore } from "../adapters/sqlite-state-store.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { waitAtMost } from "./wait.ts";
import { watchJobs } from "./watch-jobs.ts";

const spec = (change: object = {}) => ({ task: { engine: { case: "docker" as const, value: { image: "debian:13" } } }, ...change });

let cluster: ApiCluster;
beforeAll(async () => {
  cluster = await startApiCluster();
});
afterAll(() => cluster[Symbol.asyncDispose]());

describe("watching jobs", () => {
  test("gives batches of at most 500, then synced with a token, then changes", async () => {
    await using own = await startApiCluster();
    await own.jobs.submitJobs({ jobs: Array.from({ length: 700 }, () => ({ spec: spec() })) });
    const watch = own.jobs.watchJobs({})[Symbol.asyncIterator]();
    expect((await next(watch)).jobs).toHaveLength(500);
    expect((await next(watch)).jobs).toHaveLength(200);
    expect(await next(watch)).toMatchObject({ synced: { totalSize: 700n } });
    const { job } = await own.jobs.submitJob({ spec: spec({ name: "late" }) });
    const change = await nextWith(watch, ({ jobs }) => jobs.some(({ jobId }) => jobId === job?.jobId));
    expect(change.resumeToken).not.toBe("");
    await watch.return?.();
  });

  test("gives only the newest when asked for few, and no more than match", async () => {
    await cluster.jobs.submitJobs({ jobs: [1, 2, 3].map((n) => ({ spec: spec({ name: `few-${n}`, namespace: "few" }) })) });
    const watch = cluster.jobs.watchJobs({ filter: "ns:few", snapshotSize: 2 })[Symbol.asyncIterator]();
    expect((await next(watch)).jobs).toHaveLength(2);
    expect((await next(watch)).synced).toBeDefined();
    await watch.return?.();
  });

  test("sends a job that changes ten times in a burst as it is in the end", async () => {
    const watch = cluster.jobs.watchJobs({ filter: "ns:burst" })[Symbol.asyncIterator]();
    expect((await next(watch)).synced).toBeDefined();
    const { job } = await cluster.jobs.submitJob({ spec: spec({ namespace: "burst" }) });
    const jobId = job?.jobId ?? "";
    for (let round = 0; round < 5; round++) {
      await cluster.jobs.stopJob({ jobId });
      await cluster.jobs.rerunJob({ jobId });
    }
    await cluster.jobs.stopJob({ jobId, reason: "end" });
    let messages = 0;
    const last = await nextWith(watch, ({ jobs }) => {
      messages += 1;
      return jobs.some(({ version, state }) => version === 6 && state === 6);
    });
    expect(last.jobs).toHaveLength(1);
    expect(messages).toBeLessThan(10);
    await watch.return?.();
  });

  test("names jobs that no longer match as removed", async () => {
    const { job } = await cluster.jobs.submitJob({ spec: spec({ namespace: "leaving" }) });
    const watch = cluster.jobs.watchJobs({ filter: "ns:leaving !state:stopped" })[Symbol.asyncIterator]();
    expect((await next(watch)).jobs).toHaveLength(1);
    await cluster.jobs.stopJob({ jobId: job?.jobId ?? "" });
    const change = await nextWith(watch, ({ removedJobIds }) => removedJobIds.length > 0);
    expect(change.removedJobIds).toContain(job?.jobId);
    await watch.return?.();
  });

  test("goes on after a token with what happened since, and nothing else", async () => {
    const first = cluster.jobs.watchJobs({ filter: "ns:resume" })[Symbol.asyncIterator]();
    const { resumeToken } = await nextWith(first, ({ synced }) => synced !== undefined);
    await first.return?.();
    const { job } = await cluster.jobs.submitJob({ spec: spec({ namespace: "resume" }) });
    const second = cluster.jobs.watchJobs({ filter: "ns:resume", resumeToken })[Symbol.asyncIterator]();
    expect(await next(second)).toMatchObject({ jobs: [], synced: {} });
    expect((await nextWith(second, ({ jobs }) => jobs.length > 0)).jobs.map(({ jobId }) => jobId)).toEqual([job?.jobId]);
    await second.return?.();
  });

  test("refuses a token of another filter, of a later log and of nonsense", async () => {
    const first = cluster.jobs.watchJobs({ filter: "ns:a" })[Symbol.asyncIterator]();
    const { resumeToken } = await nextWith(first, ({ synced }) => synced !== undefined);
    await first.return?.();
    await using empty = await startApiCluster();
    for (const call of [
      cluster.jobs.watchJobs({ filter: "ns:b", resumeToken }),
      cluster.jobs.watchJobs({ resumeToken: "x" }),
      empty.jobs.watchJobs({ filter: "ns:a", resumeToken }),
    ]) {
      expect(await failureOf(call)).toMatchObject({ kind: "precondition", reason: "RESUME_TOKEN_EXPIRED" });
    }
    expect(await failureOf(cluster.jobs.watchJobs({ filter: "stat:x" }))).toMatchObject({ reason: "FILTER_INVALID" });
    expect(await failureOf(cluster.jobs.watchJobs({ snapshotSize: 10_001 }))).toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("refuses a token of another log, however long that is: the state was lost, or is another cluster's", async () => {
    const [one, other] = [await startApiCluster(), await startApiCluster()];
    await using stack = new AsyncDisposableStack();
    for (const own of [one, other]) {
      stack.use(own);
      await own.jobs.submitJob({ spec: spec() });
    }
    const first = one.jobs.watchJobs({})[Symbol.asyncIterator]();
    const { resumeToken } = await nextWith(first, ({ synced }) => synced !== undefined);
    await first.return?.();
    for (let jobs = 0; jobs < 3; jobs++) await other.jobs.submitJob({ spec: spec() });
    expect(await failureOf(other.jobs.watchJobs({ resumeToken }))).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
  });

  test("gives a reader that was slow each changed job once", async () => {
    const watch = cluster.jobs.watchJobs({ filter: "ns:slow" })[Symbol.asyncIterator]();
    expect((await next(watch)).synced).toBeDefined();
    const { job } = await cluster.jobs.submitJob({ spec: spec({ namespace: "slow" }) });
    await nextWith(watch, ({ jobs }) => jobs.length > 0);
    const jobId = job?.jobId ?? "";
    // Nobody reads meanwhile.
    for (let round = 0; round < 50; round++) {
      await cluster.jobs.stopJob({ jobId });
      await cluster.jobs.rerunJob({ jobId });
    }
    let messages = 0;
    await nextWith(watch, ({ jobs }) => {
      messages += 1;
      return jobs.some(({ version }) => version === 51);
    });
    expect(messages).toBeLessThanOrEqual(3);
    await watch.return?.();
  });
});

describe("when retention took what happened after a token", () => {
  test("the token has expired, also for a watch that is open, and one of later is good", async () => {
    const store = createSqliteStateStore({ path: ":memory:", clock: systemClock });
    await store.start();
    const left = new AbortController();
    const watch = (resumeToken: string) =>
      watchJobs({ store, clock: systemClock } as SchedulerApiDeps, create(WatchJobsRequestSchema, { resumeToken }), left.signal);
    try {
      const open = watch("");
      const { resumeToken } = await next(open);
      const lease = await store.acquireLease({ holder: "test", ttlMs: 60_000 });
      const term = lease.isHeld ? lease.term : 0;
      const nothing = { term, jobs: [], executions: [], nodes: [], requests: [], removedJobIds: [], removedNodeIds: [] };
      const job: Job = {
        id: "j-00000000000000000000000000" as JobId,
        version: 1,
        spec: parseJobSpec(create(JobSpecSchema, spec())),
        state: "stopped",
        partitions: { waiting: 0, running: 0, completed: 0, failed: 0 },
        createdAtMs: 1,
        submittedAtMs: 1,
        endedAtMs: 2,
        revision: 1,
      };
      const event = { atMs: 1, type: "job.submitted", jobId: job.id };
      expect(
        await store.commit({
          ...nothing,
          jobs: [job],
          events: [
            { ...event, sequence: 1 },
            { ...event, sequence: 2 },
          ],
        }),
      ).toBe("committed");
      expect(await store.commit({ ...nothing, removedJobIds: [job.id], events: [] })).toBe("committed");
      expect(await failureOf(watch(resumeToken))).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
      expect(await failureOf(open)).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
      const fresh = await next(watch(""));
      expect((await next(watch(fresh.resumeToken))).synced).toBeDefined();
    } finally {
      left.abort();
      await store.stop();
    }
  });
});

describe("watching nodes", () => {
  test("gives all, synced, then what changes", async () => {
    await using own = await startApiCluster();
    const { nodeId } = await own.join("a1");
    const watch = own.nodes.watchNodes({})[Symbol.asyncIterator]();
    expect((await next(watch)).nodes.map((node) => node.name)).toEqual(["a1"]);
    expect((await next(watch)).synced).toBe(true);
    await own.nodes.drainNode({ nodeId: "a1", drain: true });
    const change = await nextWith(watch, ({ nodes }) => nodes.length > 0);
    expect(change.nodes).toMatchObject([{ nodeId, draining: true }]);
    await own.join("b1");
    expect((await nextWith(watch, ({ nodes }) => nodes.some(({ name }) => name === "b1"))).nodes).toHaveLength(1);
    await watch.return?.();
  });
});

test("waiting tells a wake-up from the end of time and leaves nothing behind", async () => {
  const signal = new AbortController().signal;
  let until: AbortSignal | undefined;
  expect(await waitAtMost(60_000, { clock: systemClock, signal }, () => Promise.resolve())).toBe(true);
  const wait = (given: AbortSignal): Promise<void> => {
    until = given;
    return new Promise(() => undefined);
  };
  expect(await waitAtMost(1, { clock: systemClock, signal }, wait)).toBe(false);
  expect(until?.aborted).toBe(true);
});

async function next<T>(stream: AsyncIterator<T>): Promise<T> {
  const { value, done } = await stream.next();
  if (done === true) throw new Error("the stream ended");
  return value;
}

async function nextWith<T = WatchJobsResponse>(stream: AsyncIterator<T>, isWanted: (message: T) => boolean): Promise<T> {
  for (;;) {
    const message = await next(stream);
    if (isWanted(message)) return message;
  }
}

async function failureOf(stream: AsyncIterable<unknown>): Promise<DomainError> {
  try {
    for await (const _ of stream) break;
  } catch (error) {
    return error as DomainError;
  }
  throw new Error("the call succeeded");
}
