import { hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@skrei/platform/client.ts";
import { createMemoryBus } from "@skrei/platform/memory-bus.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { PublisherSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";

import { rawCid } from "@skrei/unixfs/cid.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readRootsOf } from "../../services/scheduler/src/domain/read-roots.ts";
import { reconcile, type ResultRetentionParts, runResultRetention } from "../../services/scheduler/src/loops/result-retention.ts";
import { SchedulerConfig } from "../../services/scheduler/src/config.ts";
import { openStore } from "../../services/scheduler/src/open-store.ts";
import { createSchedulerService } from "../../services/scheduler/src/service.ts";
import { aShellJob, type JobSpecInit } from "../kit/a-job.ts";
import { type DataCluster, startDataCluster } from "../kit/data-cluster.ts";
import { eventually } from "../kit/eventually.ts";
import { randomExecutionId } from "../kit/random-execution-id.ts";

const HOUR_MS = 3_600_000;
const A_STAGE_ONE = rawCid(hash("sha256", "stage one", "buffer")).toString();
const UPLOAD_RETENTION_MS = 10 * HOUR_MS;

let cluster: DataCluster;
let stopped: AbortController;
beforeEach(async () => {
  cluster = await startDataCluster();
  stopped = new AbortController();
});
afterEach(async () => {
  stopped.abort();
  await cluster[Symbol.asyncDispose]();
});

test("a result goes when its retention is over, and its bytes with the next collection; others stay", async () => {
  const { contentStore, clock } = cluster;
  const short = await cluster.completedJob({ "outputs/data/a": "short".repeat(100) }, withRetention(HOUR_MS / 2));
  const long = await cluster.completedJob({ "outputs/data/b": "long".repeat(100) });
  await round();
  expect(await keptOwners()).toEqual([`execution:${long.executionId}`, `execution:${short.executionId}`].toSorted());
  clock.advance(2 * HOUR_MS);
  await round();
  expect(await keptOwners()).toEqual([`execution:${long.executionId}`]);
  clock.advance(48 * HOUR_MS);
  const collected = await contentStore.port.collectGarbage({ isDryRun: false }, stopped.signal);
  expect(collected.blocks).toBeGreaterThan(0);
  const roots = [short.cid, short.manifestCid, long.cid, long.manifestCid];
  expect(await contentStore.kept(roots)).toEqual([long.cid, long.manifestCid]);
});

test("the results of a job that was removed are let go, young ones only later", async () => {
  const { contentStore, clock } = cluster;
  const executionId = randomExecutionId();
  await contentStore.publish(executionId, { stdout: "of a job that nobody knows" });
  await round();
  expect(await keptOwners()).toEqual([`execution:${executionId}`]);
  clock.advance(HOUR_MS + 1);
  await round();
  expect(await keptOwners()).toEqual([]);
});

test("an upload outlasts the last job that reads it by the retention of uploads", async () => {
  const { contentStore, clock, api } = cluster;
  const [read, unread] = [await contentStore.upload("read by a job"), await contentStore.upload("read by nobody")];
  const jobId = await cluster.jobReading(read);
  const isReading = { now: true };
  const readRoots = (): ReadonlySet<string> =>
    readRootsOf(isReading.now ? [...api.agents.assignments.values()].map(({ job }) => ({ spec: { task: job.task } as never })) : []);
  for (let hours = 0; hours < 300; hours += 5) {
    clock.advance(5 * HOUR_MS);
    await round({ readRoots });
  }
  await collect();
  expect(await contentStore.kept([read, unread])).toEqual([read]);
  await api.jobs.stopJob({ jobId });
  isReading.now = false;
  await round({ readRoots });
  expect(await contentStore.kept([read])).toEqual([read]);
  clock.advance(UPLOAD_RETENTION_MS + 48 * HOUR_MS);
  await round({ readRoots });
  await collect();
  expect(await contentStore.kept([read])).toEqual([]);
});

test("an output that another job reads outlasts the result that it is part of", async () => {
  const { contentStore, clock, api } = cluster;
  const first = await cluster.completedJob({ "outputs/data/a": "stage one" }, withRetention(HOUR_MS / 2));
  const source = { case: "job" as const, value: { job: first.jobId, output: "data" } };
  const planned = await api.jobs.planJob({ spec: aShellJob("true", { inputs: [{ target: "/in", source }] }) });
  expect(await keptOwners()).toEqual([`execution:${first.executionId}`]);
  await api.jobs.submitJob({ spec: aShellJob("sleep 1000", { inputs: [{ target: "/in", source }] }) });
  const input = planned.spec?.task?.inputs[0]?.source;
  const cid = input?.case === "content" ? input.value.cid : "";
  for (let hours = 0; hours < 50; hours += 5) {
    clock.advance(5 * HOUR_MS);
    await round({ readRoots: () => new Set([cid]) });
  }
  await collect();
  expect(await keptOwners()).toEqual([`upload:${cid}`]);
  expect(await contentStore.kept([cid, first.cid])).toEqual([cid]);
  const blocks = createClient(BlockService, contentStore.transport);
  const read: string[] = [];
  for await (const { block } of blocks.getBlocks({ cids: [A_STAGE_ONE] })) read.push(Buffer.from(block?.data ?? []).toString());
  expect(read).toEqual(["stage one"]);
});

test("a name keeps what its job no longer does", async () => {
  const { contentStore, clock, api } = cluster;
  const job = await cluster.completedJob({ stdout: "worth keeping" }, withRetention(HOUR_MS));
  await api.data.pinData({ cid: job.cid, name: "kept" });
  clock.advance(100 * HOUR_MS);
  await round();
  await collect();
  expect(await keptOwners()).toEqual(["pin:kept"]);
  expect(await contentStore.kept([job.cid, job.manifestCid])).toEqual([job.cid]);
  expect((await api.results.createDownloadLink({ cid: job.cid })).url).toContain(job.cid);
});

test("two leaders in a row do what one does, while results are published and garbage is collected", async () => {
  const { contentStore, clock, api } = cluster;
  const expired = await cluster.completedJob({ stdout: "old" }, withRetention(HOUR_MS));
  const kept = await cluster.completedJob({ stdout: "same bytes" });
  clock.advance(30 * HOUR_MS);
  const [first, second] = [new AbortController(), new AbortController()];
  const loops = [first, second].map(({ signal }) => runResultRetention({ ...parts(), signal }).catch(() => undefined));
  const collecting = (async () => {
    while (!second.signal.aborted) {
      await collect();
      // In one process the store answers without a turn of the loop, and nobody else would get one.
      await nextTurn();
    }
  })();
  const published = [];
  for (let at = 0; at < 10; at++) {
    published.push(await cluster.completedJob({ stdout: "same bytes", "outputs/x/n": `result ${at}` }));
    if (at === 5) first.abort();
  }
  await eventually(keptOwners, (owners) => !owners.includes(`execution:${expired.executionId}`), { withinMs: 10_000 });
  second.abort();
  await Promise.all([...loops, collecting]);
  const roots = [kept, ...published].flatMap(({ cid, manifestCid }) => [cid, manifestCid]);
  expect(await contentStore.kept(roots)).toEqual(roots);
  for (const { jobId, cid } of published) expect((await api.results.createDownloadLink({ jobId, cid })).url).not.toBe("");
});

test("a store that is away puts it off with one line, and what was missed is made up for", async () => {
  const { clock } = cluster;
  const executionId = randomExecutionId();
  await cluster.contentStore.publish(executionId, { stdout: "x" });
  clock.advance(2 * HOUR_MS);
  let isAway = true;
  let asked = 0;
  const lines: (string | undefined)[] = [];
  const { contentStore, ...rest } = parts();
  const pins: typeof contentStore.pins = async (query, signal) => {
    asked += 1;
    // A token that the store refuses is as good as no store.
    return isAway ? await contentStore.pins({ ...query, pageSize: -1 }, signal) : await contentStore.pins(query, signal);
  };
  const logger = {
    ...silentLogger,
    warn: ({ event }: { event?: string }) => void lines.push(event),
    info: ({ event }: { event?: string }) => void lines.push(event),
  };
  const running = runResultRetention({ ...rest, contentStore: { ...contentStore, pins }, logger }).catch(() => undefined);
  await eventually(
    () => asked,
    (times) => times >= 3,
    { withinMs: 10_000 },
  );
  expect(lines).toEqual(["resultRetention.putOff"]);
  isAway = false;
  await eventually(keptOwners, ({ length }) => length === 0, { withinMs: 10_000 });
  await eventually(
    () => lines.length,
    (count) => count === 3,
    { withinMs: 10_000 },
  );
  expect(lines).toEqual(["resultRetention.putOff", "resultRetention.unpinned", "resultRetention.resumed"]);
  stopped.abort();
  await running;
});

test("a scheduler that leads does it by itself", async () => {
  const { contentStore, clock } = cluster;
  await contentStore.publish(randomExecutionId(), { stdout: "x" });
  clock.advance(2 * HOUR_MS);
  const bus = createMemoryBus({ logger: silentLogger });
  const config = SchedulerConfig.parse({
    joinToken: "join-token-of-the-test",
    publishToken: contentStore.token,
    resultReconcileIntervalMs: 20,
    jobRetentionMs: HOUR_MS,
  });
  const scheduler = createSchedulerService(config, {
    logger: silentLogger,
    store: openStore(config, clock),
    bus,
    publisherTransport: () => contentStore.transport,
    clock,
  });
  await scheduler.start();
  await eventually(keptOwners, ({ length }) => length === 0, { withinMs: 10_000 });
  await scheduler.stop("the test is over");
  await bus.close();
});

test("more pins than a page are gone through", async () => {
  const { contentStore, clock } = cluster;
  const cid = await contentStore.upload("shared");
  const owners = Array.from({ length: 520 }, () => `execution:${randomExecutionId()}`);
  for (const owner of owners) await contentStore.port.pin({ cid, owner, expiresAtMs: undefined }, stopped.signal);
  clock.advance(2 * HOUR_MS);
  await round();
  expect(await keptOwners()).toEqual([`upload:${cid}`]);
});

function parts(): ResultRetentionParts {
  return {
    store: cluster.api.store,
    contentStore: cluster.contentStore.port,
    intervalMs: 10,
    uploadRetentionMs: UPLOAD_RETENTION_MS,
    jobRetentionMs: HOUR_MS,
    readRoots: () => new Set(),
    clock: cluster.clock,
    logger: silentLogger,
    signal: stopped.signal,
  };
}

async function round(change: Partial<ResultRetentionParts> = {}): Promise<void> {
  await reconcile({ ...parts(), ...change }, new Map());
}

async function collect(): Promise<void> {
  await cluster.contentStore.port.collectGarbage({ isDryRun: false }, new AbortController().signal);
}

async function keptOwners(): Promise<readonly string[]> {
  const query = { ownerPrefix: "", cid: "", pageSize: 1_000, pageToken: "" };
  const { pins } = await cluster.contentStore.port.pins(query, new AbortController().signal);
  return [...new Set(pins.map(({ owner }) => owner))].toSorted();
}

function withRetention(retentionMs: number): JobSpecInit {
  const { task, ...spec } = aShellJob("true");
  return { ...spec, task: { ...task, publisher: create(PublisherSchema, { retention: durationFromMs(retentionMs) }) } };
}
