import type { DomainError, ExecutionId } from "@skrei/domain";
import { verifyLink } from "@skrei/platform/signed-link.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../../../test/kit/eventually.ts";
import { type ApiCluster, startApiCluster } from "../../../../test/kit/scheduler-api.ts";
import { pageTokenFor } from "./page.ts";

const spec = (change: object = {}) => ({ task: { engine: { case: "docker" as const, value: { image: "debian:13" } } }, ...change });

let cluster: ApiCluster;
beforeAll(async () => {
  cluster = await startApiCluster();
});
afterAll(() => cluster[Symbol.asyncDispose]());

describe("submitting", () => {
  test("stores a job with all defaults and gives it back by id, prefix and name", async () => {
    const { job } = await cluster.jobs.submitJob({ spec: spec({ name: "by-name" }) });
    expect(job?.spec).toMatchObject({ name: "by-name", namespace: "default", count: 1, task: { resources: { cpuMillis: 500n } } });
    for (const jobId of [job?.jobId ?? "", job?.jobId.slice(0, 27) ?? "", "by-name"]) {
      expect((await cluster.jobs.getJob({ jobId })).job?.jobId).toBe(job?.jobId);
    }
  });

  test("lists every problem of a spec as a violation", async () => {
    const error = await failureOf(cluster.jobs.submitJob({ spec: spec({ name: "Not Good", count: -1 }) }));
    expect(error).toMatchObject({ kind: "invalid", reason: "SPEC_INVALID", metadata: { problems: "2" } });
    expect(error.violations.map(({ field }) => field)).toEqual(["name", "count"]);
  });

  test("answers a repeated request id with the first job, and another spec with a conflict", async () => {
    const first = await cluster.jobs.submitJob({ requestId: "same-request", spec: spec() });
    const again = await cluster.jobs.submitJob({ requestId: "same-request", spec: spec() });
    expect(again.job?.jobId).toBe(first.job?.jobId);
    expect(await failureOf(cluster.jobs.submitJob({ requestId: "same-request", spec: spec({ priority: 1 }) }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
    expect(await failureOf(cluster.jobs.submitJob({ requestId: "short", spec: spec() }))).toMatchObject({
      kind: "invalid",
      reason: "FIELD_INVALID",
    });
  });

  test("stores many jobs or none", async () => {
    const before = (await cluster.jobs.listJobs({})).totalSize;
    const error = await failureOf(cluster.jobs.submitJobs({ jobs: [{ spec: spec() }, { spec: spec({ count: -1 }), requestId: "x" }] }));
    expect(error.violations.map(({ field }) => field)).toEqual(["jobs[1].requestId"]);
    expect((await cluster.jobs.listJobs({})).totalSize).toBe(before);
    const { jobs } = await cluster.jobs.submitJobs({ jobs: [{ spec: spec({ name: "first" }) }, { spec: spec({ name: "second" }) }] });
    expect(jobs.map((job) => job.spec?.name)).toEqual(["first", "second"]);
  });
});

describe("references", () => {
  test("that name several jobs list them", async () => {
    await cluster.jobs.submitJobs({ jobs: [{ spec: spec({ name: "twin" }) }, { spec: spec({ name: "twin" }) }] });
    const error = await failureOf(cluster.jobs.getJob({ jobId: "twin" }));
    expect(error).toMatchObject({ kind: "precondition", reason: "JOB_AMBIGUOUS" });
    expect(error.metadata["candidates"]?.match(/j-\w+ twin/gu)).toHaveLength(2);
  });

  test("that name no job list the closest", async () => {
    await cluster.jobs.submitJob({ spec: spec({ name: "sqlite-orders" }) });
    const error = await failureOf(cluster.jobs.getJob({ jobId: "sqlite-order" }));
    expect(error).toMatchObject({ kind: "notFound", reason: "JOB_NOT_FOUND" });
    expect(error.metadata["hint"]).toContain("sqlite-orders");
    expect(await failureOf(cluster.jobs.getJob({ jobId: "j-0" }))).toMatchObject({
      reason: "JOB_NOT_FOUND",
      metadata: { hint: "Use more characters." },
    });
    expect(await failureOf(cluster.jobs.getJob({ jobId: "" }))).toMatchObject({ reason: "FIELD_REQUIRED" });
  });
});

describe("listing", () => {
  test("pages through what matches, newest first, and refuses a token of another filter", async () => {
    await cluster.jobs.submitJobs({
      jobs: Array.from({ length: 5 }, (_, n) => ({ spec: spec({ name: `page-${n}`, namespace: "pages" }) })),
    });
    const names: (string | undefined)[] = [];
    let pageToken = "";
    do {
      const page = await cluster.jobs.listJobs({ filter: "ns:pages page", pageSize: 2, pageToken });
      expect(page.jobs.length).toBeLessThanOrEqual(2);
      names.push(...page.jobs.map((job) => job.spec?.name));
      pageToken = page.nextPageToken;
      if (pageToken !== "")
        expect(await failureOf(cluster.jobs.listJobs({ filter: "ns:other", pageToken }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
    } while (pageToken !== "");
    expect(new Set(names)).toEqual(new Set(["page-0", "page-1", "page-2", "page-3", "page-4"]));
    expect(names).toHaveLength(5);
  });

  test("refuses a filter it cannot read and a page size out of range", async () => {
    expect(await failureOf(cluster.jobs.listJobs({ filter: "stat:failed" }))).toMatchObject({
      reason: "FILTER_INVALID",
      metadata: { column: "1" },
    });
    expect(await failureOf(cluster.jobs.listJobs({ pageSize: 1_001 }))).toMatchObject({ reason: "FIELD_INVALID" });
    expect(await failureOf(cluster.jobs.listJobs({ pageToken: "nonsense" }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });

  test("refuses a page token that somebody made up for the right list", async () => {
    const jobId = (await cluster.jobs.submitJob({ spec: spec() })).job?.jobId ?? "";
    for (const cursor of ["abc", "NaN", "-1", "1e400", "0x10"]) {
      const calls = [
        cluster.jobs.listJobs({ pageToken: pageTokenFor(["jobs", ""], cursor) }),
        cluster.jobs.listJobEvents({ jobId, pageToken: pageTokenFor(["events", jobId], cursor) }),
        cluster.jobs.listExecutions({ jobId, pageToken: pageTokenFor(["executions", jobId], cursor) }),
      ];
      for (const call of calls) expect(await failureOf(call)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
    }
  });

  test("finds a job by a prefix of its id", async () => {
    const { job } = await cluster.jobs.submitJob({ spec: spec() });
    const page = await cluster.jobs.listJobs({ filter: `id:${job?.jobId.slice(0, 27) ?? ""}` });
    expect(page.jobs.map(({ jobId }) => jobId)).toEqual([job?.jobId]);
    for (const filter of [`id:${job?.jobId ?? ""} state:failed`, "id:%", "id:j_", "id:e-"])
      expect((await cluster.jobs.listJobs({ filter })).jobs).toEqual([]);
  });
});

describe("a job's life", () => {
  test("stops once, says why in its history, and runs again as its next version", async () => {
    const { job } = await cluster.jobs.submitJob({ spec: spec({ name: "to-stop" }) });
    const jobId = job?.jobId ?? "";
    expect(await failureOf(cluster.jobs.rerunJob({ jobId }))).toMatchObject({ kind: "precondition", reason: "JOB_STILL_RUNNING" });
    expect((await cluster.jobs.stopJob({ jobId, reason: "enough" })).job?.state).toBe(6);
    expect((await cluster.jobs.stopJob({ jobId })).job?.state).toBe(6);
    const { events } = await cluster.jobs.listJobEvents({ jobId });
    expect(events.find(({ to }) => to === "stopped")).toMatchObject({ reason: "STOPPED_BY_USER", message: "enough" });
    expect((await cluster.jobs.rerunJob({ jobId })).job?.version).toBe(2);
    expect(await failureOf(cluster.jobs.stopJob({ jobId, reason: "x".repeat(513) }))).toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("pages through its events without a gap", async () => {
    const { job } = await cluster.jobs.submitJob({ spec: spec() });
    const jobId = job?.jobId ?? "";
    await cluster.jobs.stopJob({ jobId });
    const all = (await cluster.jobs.listJobEvents({ jobId })).events.map(({ sequence }) => sequence);
    const first = await cluster.jobs.listJobEvents({ jobId, pageSize: 1 });
    const second = await cluster.jobs.listJobEvents({ jobId, pageSize: 1, pageToken: first.nextPageToken });
    expect([...first.events, ...second.events].map(({ sequence }) => sequence)).toEqual(all.slice(0, 2));
  });

  test("is planned without being stored", async () => {
    const before = (await cluster.jobs.listJobs({})).totalSize;
    await using planned = await startApiCluster();
    await planned.join("a1");
    const plan = await planned.jobs.planJob({ spec: spec({ count: 3 }) });
    expect(plan).toMatchObject({
      placeablePartitions: 3,
      nodes: [{ partitions: 3, reason: "", fitsWhenIdle: true, missingBytes: 0n }],
      spec: { namespace: "default" },
    });
    const none = await planned.jobs.planJob({
      spec: { task: { engine: { case: "docker", value: { image: "a" } }, resources: { cpuMillis: 900_000n } } },
    });
    expect(none.nodes[0]).toMatchObject({ partitions: 0, reason: "CAPACITY_TOO_SMALL", fitsWhenIdle: false });
    expect((await cluster.jobs.listJobs({})).totalSize).toBe(before);
  });

  test("takes neither a made-up content id nor a novel from a node", async () => {
    await using busy = await startApiCluster();
    const node = await busy.join("a1");
    const { job } = await busy.jobs.submitJob({ spec: spec({ retry: { attemptsMax: 1 } }) });
    const held = await eventually(
      () => [...busy.agents.assignments.values()][0],
      (assignment) => assignment !== undefined,
      { withinMs: 5_000 },
    );
    const { executionId, epoch } = held ?? { executionId: "" as ExecutionId, epoch: 0 };
    const report = { executionId, epoch, state: "failed" as const };
    const forged = node.report([{ ...report, resultCid: "../../job/of/others", resultBytes: 1 }]);
    expect(await failureOf(forged)).toMatchObject({ reason: "CONTENT_ID_INVALID" });
    const text = "x".repeat(1_000_000);
    await node.report([{ ...report, failure: { class: "user", reason: "EXIT_NONZERO", message: text, hint: text } }]);
    const { failure } = (await busy.jobs.getJob({ jobId: job?.jobId ?? "" })).job ?? {};
    expect(failure).toMatchObject({ message: `${"x".repeat(4_095)}…`, hint: `${"x".repeat(4_095)}…` });
  });

  test("shows its executions and results as its node reports them", async () => {
    await using busy = await startApiCluster();
    const node = await busy.join("a1");
    const { job } = await busy.jobs.submitJob({ spec: spec({ count: 2 }) });
    const jobId = job?.jobId ?? "";
    const held = await eventually(
      () => [...busy.agents.assignments.values()],
      (list) => list.length === 2,
      { withinMs: 5_000 },
    );
    const cids = ["bafyaaaaaaaaa", "bafybbbbbbbbb"];
    await node.report(
      held.map(({ executionId, epoch, partition }) => ({
        executionId,
        epoch,
        state: "completed",
        exitCode: 0,
        resultCid: cids[partition] ?? "",
        resultBytes: 9,
        manifestCid: "bafymmmmmmmmm",
        startedAtMs: 1,
        endedAtMs: 2,
      })),
    );
    expect((await busy.jobs.getJob({ jobId })).job).toMatchObject({ state: 4, exitCode: 0, partitions: { completed: 2 } });
    expect((await busy.jobs.listExecutions({ jobId })).executions.map(({ state }) => state)).toEqual([6, 6]);
    const first = await busy.results.listResults({ jobId, pageSize: 1 });
    const second = await busy.results.listResults({ jobId, pageSize: 1, pageToken: first.nextPageToken });
    expect([...first.results, ...second.results]).toMatchObject([
      { partition: 0, cid: cids[0], accepted: true },
      { partition: 1, cid: cids[1], accepted: true },
    ]);
    expect(second.nextPageToken).toBe("");
    const link = await busy.results.createDownloadLink({ jobId, cid: cids[0] ?? "" });
    expect(link.url).toMatch(/^http:\/\/127\.0\.0\.1:1236\/ipfs\/bafyaaaaaaaaa\?token=bafyaaaaaaaaa\.[\w.-]+$/u);
    expect(await failureOf(busy.results.createDownloadLink({ jobId, cid: "bafyother" }))).toMatchObject({
      kind: "notFound",
      reason: "RESULT_NOT_FOUND",
    });
    expect(await failureOf(busy.results.createDownloadLink({ jobId, cid: cids[0] ?? "", timeToLive: { seconds: 90_000n } }))).toMatchObject(
      { reason: "FIELD_INVALID" },
    );
    expect((await busy.results.createUploadLink({ cid: "bafyaaaaaaaaa", sizeBytes: 5n })).token).toMatch(/^bafyaaaaaaaaa\./u);
    const { token } = await busy.results.createUploadLink({ cid: "bafyaaaaaaaaa", sizeBytes: 0n });
    expect(verifyLink({ key: "link-key-of-the-test", purpose: "upload", token, nowMs: Date.now() })).toMatchObject({
      cid: "bafyaaaaaaaaa",
      bytesMax: 1,
    });
    expect(await failureOf(busy.results.createUploadLink({ cid: "bafyaaaaaaaaa", sizeBytes: -1n }))).toMatchObject({
      reason: "FIELD_INVALID",
    });
    expect(await failureOf(busy.results.createUploadLink({ cid: "../x", sizeBytes: 5n }))).toMatchObject({ reason: "CONTENT_ID_INVALID" });
  });
});

async function failureOf(call: Promise<unknown>): Promise<DomainError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: DomainError) => error,
  );
}
