import { hash } from "node:crypto";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { clientErrors, serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { parseCid, rawCid, verifyBlock } from "@skrei/unixfs/cid.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { readFile, resolvePath } from "@skrei/unixfs/read-dag.ts";
import { listFolder } from "@skrei/unixfs/read-folder.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../../../test/kit/eventually.ts";
import { type ApiCluster, type JoinedNode, startApiCluster } from "../../../../test/kit/scheduler-api.ts";

type JobSource = { job: string; output?: string; partition?: number };

const blocks = new Map<string, Uint8Array<ArrayBuffer>>();
let pinned: string[] = [];
let cluster: ApiCluster;
let node: JoinedNode;

beforeEach(async () => {
  blocks.clear();
  pinned = [];
  cluster = await startApiCluster({ config: { publisherUrl: "" }, publisherTransport: () => storeTransport() });
  node = await cluster.join("a1");
});
afterEach(() => cluster[Symbol.asyncDispose]());

test("an output of a job becomes the content id that it has, by id, prefix and name", async () => {
  const result = resultFolder({ counts: "one", words: "two" });
  const jobId = await ended("stage-one", [result]);
  for (const job of [jobId, jobId.slice(0, 27), "stage-one"]) {
    const [input] = await submitted({ job, output: "counts" });
    expect(input).toMatchObject({
      alias: `job:${jobId}/counts`,
      source: { case: "content", value: { cid: String(await at(result, "counts")) } },
    });
  }
  expect((await submitted({ job: jobId }))[0]).toMatchObject({ alias: `job:${jobId}`, source: { value: { cid: result, path: "" } } });
  const { spec } = await cluster.jobs.planJob({ spec: specWith({ job: jobId, output: "words" }) });
  expect(spec?.task?.inputs[0]?.source).toMatchObject({ case: "content", value: { cid: String(await at(result, "words")) } });
});

test("the results of several partitions become one folder, pinned in the store", async () => {
  const results = ["a", "b", "c"].map((text) => resultFolder({ counts: text }));
  const jobId = await ended("wide", results);
  const [input] = await submitted({ job: jobId, output: "counts" });
  const cid = input?.source.case === "content" ? input.source.value.cid : "";
  expect(pinned).toEqual([cid]);
  const { spec } = await cluster.jobs.planJob({ spec: specWith({ job: jobId, output: "counts" }) });
  expect(spec?.task?.inputs[0]?.source.value).toMatchObject({ cid });
  expect(pinned).toEqual([cid]);
  const names: string[] = [];
  for await (const { name } of listFolder(load, parseCid(cid))) names.push(name);
  expect(names).toEqual(["0", "1", "2"]);
  expect(await textOf(cid, ["1", "file"])).toBe("b");
  const [one] = await submitted({ job: jobId, output: "counts", partition: 2 });
  expect(one).toMatchObject({ alias: `job:${jobId}/counts#2`, source: { value: { cid: String(await at(results[2] ?? "", "counts")) } } });
});

test("the folder has the content id that the same tree has from files", async () => {
  const jobId = await ended("same", [resultFolder({ out: "x" }), resultFolder({ out: "y" })]);
  const [input] = await submitted({ job: jobId, output: "out" });
  const whole = buildFolderDag(
    ["x", "y"].map((text, index) => ({ name: String(index), ...buildFolderDag([{ name: "file", ...leafOf(text) }], emit) })),
    emit,
  );
  expect(input?.source.value).toMatchObject({ cid: whole.cid.toString() });
});

test("a job that has not ended, or has no result, is refused with its state", async () => {
  const { job } = await cluster.jobs.submitJob({ spec: { ...specWith(), name: "running" } });
  expect(await refusalOf({ job: "running" })).toMatchObject({
    kind: "precondition",
    reason: "JOB_STILL_RUNNING",
    metadata: { jobId: job?.jobId, state: expect.stringMatching(/^(pending|queued|running)$/u) as string },
  });
  await cluster.jobs.stopJob({ jobId: job?.jobId ?? "" });
  expect(await refusalOf({ job: "running" })).toMatchObject({
    kind: "notFound",
    reason: "RESULT_NOT_FOUND",
    message: `Job ${job?.jobId} is stopped; it has no accepted result.`,
    violations: [{ field: "task.inputs[0].job", reason: "RESULT_NOT_FOUND" }],
  });
});

test("of a job that failed in part, the partitions that completed may be named", async () => {
  const jobId = await ended("partly", [resultFolder({ out: "x" }), undefined]);
  const refusal = await refusalOf({ job: jobId, output: "out" });
  expect(refusal.message).toContain("1 of its 2 partitions have an accepted result");
  expect(refusal.metadata["hint"]).toContain("Name one partition that has a result: 0.");
  expect(await refusalOf({ job: jobId, partition: 1 })).toMatchObject({ reason: "RESULT_NOT_FOUND" });
  expect(await submitted({ job: jobId, output: "out", partition: 0 })).toHaveLength(1);
});

test("an output or partition that is not there is a violation that names those that are", async () => {
  const jobId = await ended("known", [resultFolder({ counts: "1", words: "2" })]);
  const none = await ended("bare", [resultFolder({})]);
  expect((await refusalOf({ job: jobId, output: "count" })).violations).toEqual([
    {
      field: "task.inputs[0].job.output",
      message: `found "count"; allowed: the outputs of job ${jobId}: "counts", "words"`,
      reason: "FIELD_INVALID",
    },
  ]);
  expect((await refusalOf({ job: none, output: "out" })).violations[0]?.message).toContain("has no outputs");
  expect((await refusalOf({ job: jobId, partition: 1 })).violations[0]).toMatchObject({
    field: "task.inputs[0].job.partition",
    message: "found 1; allowed: 0 to 0",
  });
  for (const source of [{ job: "" }, { job: "A job" }, { job: jobId, output: "../x" }, { job: jobId, partition: -1 }])
    expect(await refusalOf(source)).toMatchObject({ reason: "SPEC_INVALID" });
  expect(await refusalOf({ job: "knwon" })).toMatchObject({ reason: "JOB_NOT_FOUND", violations: [{ field: "task.inputs[0].job.job" }] });
});

test("a result that is gone, and a store that does not answer, are told apart", async () => {
  const jobId = await ended("gone", [resultFolder({ out: "x" })]);
  const kept = new Map(blocks);
  blocks.clear();
  expect(await refusalOf({ job: jobId, output: "out" })).toMatchObject({ kind: "notFound", reason: "RESULT_NOT_FOUND" });
  for (const [cid, block] of kept) blocks.set(cid, Uint8Array.from([...block, 0]));
  expect(await refusalOf({ job: jobId, output: "out" })).toMatchObject({ kind: "unavailable", reason: "UPSTREAM_UNAVAILABLE" });
});

test("several refusals come together, also of several jobs", async () => {
  const two = specWith({ job: "nobody" }, { job: "nowhere" });
  const together = await failureOf(cluster.jobs.submitJob({ spec: two }));
  expect(together.violations.map(({ field }) => field)).toEqual(["task.inputs[0].job.job", "task.inputs[1].job.job"]);
  const bulk = await failureOf(cluster.jobs.submitJobs({ jobs: [{ spec: specWith() }, { spec: specWith({ job: "nobody" }) }] }));
  expect(bulk.violations).toMatchObject([{ field: "jobs[1].spec.task.inputs[0].job.job", reason: "JOB_NOT_FOUND" }]);
});

function specWith(...sources: readonly JobSource[]) {
  return {
    task: {
      engine: { case: "docker" as const, value: { image: "debian:13" } },
      inputs: sources.map((value, index) => ({ target: `/in/${index}`, source: { case: "job" as const, value } })),
    },
  };
}

async function submitted(...sources: readonly JobSource[]) {
  const { job } = await cluster.jobs.submitJob({ spec: specWith(...sources) });
  return job?.spec?.task?.inputs ?? [];
}

async function refusalOf(source: JobSource): Promise<DomainError> {
  return await failureOf(cluster.jobs.submitJob({ spec: specWith(source) }));
}

/** A job that has ended; a partition without a result failed. */
async function ended(name: string, results: readonly (string | undefined)[]): Promise<string> {
  const { job } = await cluster.jobs.submitJob({ spec: { ...specWith(), name, count: results.length, retry: { maxAttempts: 1 } } });
  const jobId = job?.jobId ?? "";
  const held = await eventually(
    () => [...cluster.agents.assignments.values()].filter((assignment) => assignment.job.jobId === jobId),
    (list) => list.length === results.length,
    { withinMs: 5_000 },
  );
  await node.report(
    held.map(({ executionId, epoch, partition }) => {
      const [resultCid, times] = [results[partition], { startedAtMs: 1, endedAtMs: 2 }];
      const failure = { class: "user" as const, reason: "EXIT_NONZERO" as const, message: "exit code 1", hint: "" };
      return resultCid === undefined
        ? { executionId, epoch, state: "failed" as const, exitCode: 1, failure, ...times }
        : { executionId, epoch, state: "completed" as const, exitCode: 0, resultCid, resultBytes: 1, ...times };
    }),
  );
  await eventually(
    async () => (await cluster.jobs.getJob({ jobId })).job?.endTime,
    (time) => time !== undefined,
    { withinMs: 5_000 },
  );
  return jobId;
}

function resultFolder(outputs: Readonly<Record<string, string>>): string {
  const folders = Object.entries(outputs).map(([name, text]) => ({ name, ...buildFolderDag([{ name: "file", ...leafOf(text) }], emit) }));
  const entries = [
    { name: "stdout", ...leafOf("") },
    ...(folders.length === 0 ? [] : [{ name: "outputs", ...buildFolderDag(folders, emit) }]),
  ];
  return buildFolderDag(entries, emit).cid.toString();
}

function leafOf(text: string) {
  const data = new TextEncoder().encode(text);
  const cid = rawCid(hash("sha256", data, "buffer"));
  emit(cid, data);
  return { cid, sizeBytes: data.length, dagBytes: data.length };
}

function emit(cid: { toString(): string }, block: Uint8Array): void {
  blocks.set(cid.toString(), Uint8Array.from(block));
}

async function load(cid: { toString(): string }): Promise<Uint8Array> {
  const block = blocks.get(cid.toString());
  if (block === undefined) throw new DomainError("notFound", "BLOCK_MISSING", `no ${cid.toString()}`);
  return block;
}

async function at(result: string, output: string) {
  return await resolvePath(load, parseCid(result), ["outputs", output]);
}

async function textOf(root: string, path: readonly string[]): Promise<string> {
  const cid = await resolvePath(load, parseCid(root), path);
  if (cid === undefined) throw new Error(`nothing at ${path.join("/")}`);
  const pieces: Uint8Array[] = [];
  for await (const piece of readFile(load, cid, { start: 0, end: Number.MAX_SAFE_INTEGER })) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function storeTransport(): Transport {
  return clientErrors(
    createRouterTransport(
      (router) => {
        router.service(BlockService, {
          getBlocks: async function* ({ cids }) {
            for (const cid of cids) yield { block: { cid, data: Uint8Array.from(await load(parseCid(cid))) } };
          },
          putBlocks: (request) => {
            for (const { cid, data } of request.blocks) {
              verifyBlock(parseCid(cid), data);
              emit(parseCid(cid), data);
            }
            return {};
          },
          pinRoot: ({ cid }) => {
            pinned.push(cid);
            return {};
          },
        });
      },
      { router: { interceptors: [serverErrors(silentLogger)] } },
    ),
  );
}

async function failureOf(call: Promise<unknown>): Promise<DomainError> {
  try {
    await call;
  } catch (error) {
    return error as DomainError;
  }
  throw new Error("the call succeeded");
}
