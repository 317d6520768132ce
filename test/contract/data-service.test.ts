import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { CacheState, DomainError } from "@skrei/domain";
import { KeptData_Kind, type KeptData } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { GetCacheStateResponseSchema } from "@skrei/proto/skrei/data/v1/fetch_service_pb.ts";
import { PublisherSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aShellJob } from "../kit/a-job.ts";
import type { ContentStorePort } from "../../services/scheduler/src/ports.ts";
import { type DataCluster, startDataCluster } from "../kit/data-cluster.ts";
import { startApiCluster } from "../kit/scheduler-api.ts";

const HOUR_MS = 3_600_000;
const ABSENT = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

let cluster: DataCluster;
beforeEach(async () => {
  cluster = await startDataCluster();
});
afterEach(() => cluster[Symbol.asyncDispose]());

describe("what the cluster keeps", () => {
  test("is listed with why: results with their jobs, uploads, names; manifests only when asked for", async () => {
    const { api, contentStore } = cluster;
    const job = await cluster.completedJob({ stdout: "hello" });
    const upload = await contentStore.upload("some data");
    await api.data.pinData({ cid: upload, name: "reference.v1" });
    const { data } = await api.data.listData({});
    expect(shown(data)).toEqual([
      { kind: KeptData_Kind.RESULT, cid: job.cid, name: "", jobId: job.jobId, executionId: job.executionId },
      { kind: KeptData_Kind.PIN, cid: upload, name: "reference.v1", jobId: "", executionId: "" },
      { kind: KeptData_Kind.UPLOAD, cid: upload, name: "", jobId: "", executionId: "" },
    ]);
    expect(data.every(({ sizeBytes }) => sizeBytes > 0n)).toBe(true);
    const manifests = await api.data.listData({ kind: KeptData_Kind.MANIFEST });
    expect(shown(manifests.data)).toMatchObject([{ cid: job.manifestCid, jobId: job.jobId }]);
    expect(shown((await api.data.listData({ cid: upload })).data)).toHaveLength(2);
    expect(shown((await api.data.listData({ kind: KeptData_Kind.PIN })).data)).toMatchObject([{ name: "reference.v1" }]);
  });

  test("comes in full pages, though the store's own hold manifests too", async () => {
    const { api } = cluster;
    const jobs = [];
    for (const text of ["a", "b", "c", "d", "e"]) jobs.push(await cluster.completedJob({ stdout: text }));
    const seen: string[] = [];
    const sizes: number[] = [];
    let pageToken = "";
    do {
      const page = await api.data.listData({ kind: KeptData_Kind.RESULT, pageSize: 2, pageToken });
      seen.push(...page.data.map(({ cid }) => cid));
      sizes.push(page.data.length);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen.toSorted()).toEqual(jobs.map(({ cid }) => cid).toSorted());
    expect(sizes.slice(0, 2)).toEqual([2, 2]);
    const first = await api.data.listData({ kind: KeptData_Kind.RESULT, pageSize: 2 });
    await expect(api.data.listData({ pageToken: first.nextPageToken })).rejects.toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });
});

describe("a name", () => {
  test("is for what is kept already; a digest alone is no right to anything", async () => {
    const { data } = cluster.api;
    expect(await refusalOf(data.pinData({ cid: ABSENT, name: "x" }))).toMatchObject({ kind: "notFound", reason: "RESULT_NOT_FOUND" });
    expect(await refusalOf(data.pinData({ cid: "nonsense", name: "x" }))).toMatchObject({ reason: "CONTENT_ID_INVALID" });
  });

  test("is checked, and stands for one thing", async () => {
    const { api, contentStore } = cluster;
    const [a, b] = [await contentStore.upload("a"), await contentStore.upload("b")];
    for (const name of ["-x", "x.", "X", "a b", "a\n", "ä", "x".repeat(64), ABSENT])
      expect(await refusalOf(api.data.pinData({ cid: a, name }))).toMatchObject({ kind: "invalid", reason: "FIELD_INVALID" });
    expect(await refusalOf(api.data.pinData({ cid: a, name: "" }))).toMatchObject({ reason: "FIELD_REQUIRED" });
    await api.data.pinData({ cid: a, name: "one" });
    expect(await refusalOf(api.data.pinData({ cid: b, name: "one" }))).toMatchObject({ reason: "FIELD_INVALID", metadata: { cid: a } });
    await api.data.pinData({ cid: b, name: "one.more" });
  });

  test("given again moves the end, later and earlier, and nothing else is left", async () => {
    const { api, clock } = cluster;
    const job = await cluster.completedJob({ stdout: "kept" });
    const pin = async (ttlMs?: number): Promise<number | undefined> => {
      const timeToLive = ttlMs === undefined ? {} : { timeToLive: durationFromMs(ttlMs) };
      const { data } = await api.data.pinData({ cid: job.cid, name: "mine", ...timeToLive });
      return data?.expireTime === undefined ? undefined : timestampMs(data.expireTime) - clock.nowMs();
    };
    expect(near(await pin(HOUR_MS), HOUR_MS)).toBe(true);
    expect(near(await pin(5 * HOUR_MS), 5 * HOUR_MS)).toBe(true);
    expect(await pin()).toBeUndefined();
    expect(near(await pin(2 * HOUR_MS), 2 * HOUR_MS)).toBe(true);
    expect(shown((await api.data.listData({ cid: job.cid })).data).map(({ kind }) => kind)).toEqual([
      KeptData_Kind.RESULT,
      KeptData_Kind.PIN,
    ]);
    await cluster.contentStore.port.unpin([`execution:${job.executionId}`], new AbortController().signal);
    expect(near(await pin(HOUR_MS / 2), HOUR_MS / 2)).toBe(true);
    expect(shown((await api.data.listData({ cid: job.cid })).data).map(({ kind }) => kind)).toEqual([KeptData_Kind.PIN]);
    clock.advance(HOUR_MS);
    expect((await api.data.listData({ cid: job.cid })).data).toEqual([]);
    expect(await refusalOf(api.data.pinData({ cid: job.cid, name: "again" }))).toMatchObject({
      reason: "RESULT_NOT_FOUND",
      message: expect.stringContaining("expired at") as string,
    });
  });
});

test("an earlier end for a name ends nothing else, not an upload that goes soon either", async () => {
  const { api, clock, contentStore } = cluster;
  const cid = await contentStore.upload("uploaded");
  await api.data.pinData({ cid, name: "mine" });
  const [upload] = (await api.data.listData({ cid, kind: KeptData_Kind.UPLOAD })).data;
  if (upload?.expireTime === undefined) throw new Error("an upload has an end");
  clock.advance(timestampMs(upload.expireTime) - clock.nowMs() - HOUR_MS / 2);
  await api.data.pinData({ cid, name: "mine", timeToLive: durationFromMs(HOUR_MS / 4) });
  expect(shown((await api.data.listData({ cid })).data).map(({ kind }) => kind)).toEqual([KeptData_Kind.PIN, KeptData_Kind.UPLOAD]);
});

describe("removing", () => {
  test("by name or root ends names and uploads, after a look at what would go", async () => {
    const { api, contentStore } = cluster;
    const cid = await contentStore.upload("to be removed");
    await api.data.pinData({ cid, name: "mine" });
    expect(shown((await api.data.removeData({ data: "mine", dryRun: true })).removed)).toMatchObject([{ name: "mine", cid }]);
    expect((await api.data.listData({})).data).toHaveLength(2);
    expect((await api.data.removeData({ data: "mine" })).removed).toHaveLength(1);
    expect(shown((await api.data.removeData({ data: cid })).removed)).toMatchObject([{ kind: KeptData_Kind.UPLOAD }]);
    expect(await refusalOf(api.data.removeData({ data: cid }))).toMatchObject({ kind: "notFound", reason: "RESULT_NOT_FOUND" });
    expect(await refusalOf(api.data.removeData({ data: "mine" }))).toMatchObject({ kind: "notFound", reason: "RESULT_NOT_FOUND" });
    expect(await refusalOf(api.data.removeData({}))).toMatchObject({ reason: "FIELD_REQUIRED" });
  });

  test("never ends a result, and says whose it is", async () => {
    const job = await cluster.completedJob({ stdout: "x" });
    expect(await refusalOf(cluster.api.data.removeData({ data: job.cid }))).toMatchObject({
      reason: "RESULT_NOT_FOUND",
      metadata: { jobId: job.jobId },
    });
    expect((await cluster.api.data.listData({ cid: job.cid })).data).toHaveLength(1);
  });

  test("is refused while a job that has not ended reads it", async () => {
    const { api, contentStore } = cluster;
    const cid = await contentStore.upload("input");
    const jobId = await cluster.jobReading(cid);
    for (const dryRun of [true, false])
      expect(await refusalOf(api.data.removeData({ data: cid, dryRun }))).toMatchObject({
        kind: "precondition",
        reason: "DATA_IN_USE",
        metadata: { jobIds: jobId },
      });
    await api.jobs.stopJob({ jobId });
    expect((await api.data.removeData({ data: cid })).removed).toHaveLength(1);
  });
});

test("a job that comes while data is removed keeps it", async () => {
  const { contentStore, clock } = cluster;
  const cid = await contentStore.upload("wanted by a late job");
  const late = Promise.withResolvers<string>();
  const unpin: ContentStorePort["unpin"] = async (owners, signal) => {
    const inputs = [{ target: "/in", source: { case: "content" as const, value: { cid } } }];
    late.resolve((await api.jobs.submitJob({ spec: aShellJob("sleep 1000", { inputs }) })).job?.jobId ?? "");
    return await contentStore.port.unpin(owners, signal);
  };
  await using api = await startApiCluster({ contentStore: { ...contentStore.port, unpin }, clock });
  const before = shown((await api.data.listData({ cid })).data);
  expect(await refusalOf(api.data.removeData({ data: cid }))).toMatchObject({
    reason: "DATA_IN_USE",
    message: expect.stringContaining(await late.promise) as string,
  });
  expect(shown((await api.data.listData({ cid })).data)).toEqual(before);
});

test("garbage is counted before it goes, and the same goes", async () => {
  const { api, contentStore, clock } = cluster;
  const [gone, kept] = [await contentStore.upload("gone".repeat(1_000)), await contentStore.upload("kept")];
  await api.data.removeData({ data: gone });
  clock.advance(48 * HOUR_MS);
  const { collected: would } = await api.data.collectDataGarbage({ dryRun: true });
  expect(would).toMatchObject({ blocks: 1n, sizeBytes: 4_000n });
  expect(await contentStore.kept([gone, kept])).toEqual([gone, kept]);
  expect((await api.data.collectDataGarbage({})).collected).toEqual(would);
  expect(await contentStore.kept([gone, kept])).toEqual([kept]);
});

describe("the state of data", () => {
  test("is that of the cluster's store and of each node; one that does not answer says so", async () => {
    const { api } = cluster;
    const second = await api.join("n2");
    const cache: CacheState = { ...NO_CACHE, entries: 3, sizeBytes: 42, hits: 5 };
    const nobody = api.agents.describe;
    api.agents.describe = (node, signal) =>
      node.nodeId === second.nodeId ? Promise.resolve({ cache, store: undefined }) : nobody(node, signal);
    const state = await api.data.getDataState({});
    expect(state.store?.targets).toContain("cluster");
    expect(state.nodes).toMatchObject([
      { nodeName: "n1", problem: expect.stringContaining("Nobody serves") as string },
      { nodeName: "n2", problem: "", cache: create(GetCacheStateResponseSchema, { entries: 3, sizeBytes: 42n, hits: 5n }) },
    ]);
    expect(state.nodes[0]?.cache).toBeUndefined();
    const one = await api.data.getDataState({ nodeId: "n2" });
    expect(one.store).toBeUndefined();
    expect(one.nodes).toHaveLength(1);
    expect(await refusalOf(api.data.getDataState({ nodeId: "n3" }))).toMatchObject({ reason: "NODE_NOT_FOUND" });
  });
});

describe("a download link", () => {
  test("is made for what is listed, without a job", async () => {
    const { api, contentStore } = cluster;
    const cid = await contentStore.upload("data");
    expect((await api.results.createDownloadLink({ cid })).url).toContain(`/ipfs/${cid}?token=`);
    expect(await refusalOf(api.results.createDownloadLink({ cid: ABSENT }))).toMatchObject({
      kind: "notFound",
      reason: "RESULT_NOT_FOUND",
    });
    expect(await refusalOf(api.results.createDownloadLink({ cid: "" }))).toMatchObject({ reason: "CONTENT_ID_INVALID" });
  });

  test("is refused with the time when the result's retention is over, which the list tells before", async () => {
    const { api, clock } = cluster;
    const { task, ...spec } = aShellJob("true");
    const job = await cluster.completedJob(
      { stdout: "x" },
      { ...spec, task: { ...task, publisher: create(PublisherSchema, { retention: durationFromMs(HOUR_MS / 2) }) } },
    );
    const { results } = await api.results.listResults({ jobId: job.jobId });
    const end = results[0]?.expireTime;
    expect(end !== undefined && near(timestampMs(end) - clock.nowMs(), HOUR_MS / 2)).toBe(true);
    expect((await api.data.listData({ cid: job.cid })).data[0]?.expireTime).toEqual(end);
    expect((await api.results.createDownloadLink({ jobId: job.jobId, cid: job.cid })).url).not.toBe("");
    clock.advance(HOUR_MS);
    expect(await refusalOf(api.results.createDownloadLink({ jobId: job.jobId, cid: job.cid }))).toMatchObject({
      kind: "notFound",
      reason: "RESULT_NOT_FOUND",
      message: expect.stringMatching(/expired at 20\d\d-/u) as string,
    });
    const reading = aShellJob("true", { inputs: [{ target: "/in", source: { case: "job", value: { job: job.jobId } } }] });
    expect(await refusalOf(api.jobs.submitJob({ spec: reading }))).toMatchObject({
      message: expect.stringContaining("expired at") as string,
    });
  });

  test("is refused when the store no longer keeps the result", async () => {
    const { api, contentStore } = cluster;
    const job = await cluster.completedJob({ stdout: "x" });
    await contentStore.port.unpin([`execution:${job.executionId}`], new AbortController().signal);
    expect(await refusalOf(api.results.createDownloadLink({ jobId: job.jobId, cid: job.cid }))).toMatchObject({
      reason: "RESULT_NOT_FOUND",
      message: expect.stringContaining("no longer keeps") as string,
    });
  });
});

test("a retention longer than jobs are kept is refused with the longest", async () => {
  const { task, ...spec } = aShellJob("true");
  const publisher = create(PublisherSchema, { retention: durationFromMs(2 * HOUR_MS) });
  expect(await refusalOf(cluster.api.jobs.submitJob({ spec: { ...spec, task: { ...task, publisher } } }))).toMatchObject({
    kind: "invalid",
    reason: "SPEC_INVALID",
    violations: [{ field: "task.publisher.retention", message: expect.stringContaining("at most 3600 s") as string }],
  });
});

test("without access to a store all is refused with what to set, and a store that is away is said to be", async () => {
  await using bare = await startApiCluster();
  expect(await refusalOf(bare.data.listData({}))).toMatchObject({ reason: "FEATURE_NOT_AVAILABLE" });
  expect((await bare.data.getDataState({})).store).toBeUndefined();
  const job = await cluster.completedJob({ stdout: "x" });
  await cluster.contentStore.stop();
  expect(await refusalOf(cluster.api.data.listData({}))).toMatchObject({ kind: "unavailable", reason: "UPSTREAM_UNAVAILABLE" });
  expect((await cluster.api.results.createDownloadLink({ jobId: job.jobId, cid: job.cid })).url).not.toBe("");
});

const NO_CACHE: CacheState = {
  entries: 0,
  sizeBytes: 0,
  pinnedEntries: 0,
  hits: 0,
  misses: 0,
  bytesMax: 0,
  freeBytes: 0,
  freeBytesMin: 0,
  hitBytes: 0,
  movedBytes: 0,
};

/** What a test looks at. */
function shown(data: readonly KeptData[]) {
  return data.map(({ kind, cid, name, jobId, executionId }) => ({ kind, cid, name, jobId, executionId }));
}

function near(actualMs: number | undefined, wantedMs: number): boolean {
  return actualMs !== undefined && Math.abs(actualMs - wantedMs) < 60_000;
}

async function refusalOf(call: Promise<unknown>): Promise<DomainError> {
  return await call.then(
    () => {
      throw new Error("it was not refused");
    },
    (error: unknown) => error as DomainError,
  );
}
