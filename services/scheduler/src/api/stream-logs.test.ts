import { hash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRouterTransport } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import type { ExecutionId } from "@skrei/domain";
import { serverErrors } from "@skrei/platform/error-interceptor.ts";
import { silentLogger } from "@skrei/platform/logger.ts";
import { verifyLink } from "@skrei/platform/signed-link.ts";
import { BlockService } from "@skrei/proto/skrei/data/v1/publish_service_pb.ts";
import { rawCid } from "@skrei/unixfs/cid.ts";
import { buildFileDag } from "@skrei/unixfs/file-dag.ts";
import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import { buildFolderDag } from "@skrei/unixfs/folder-dag.ts";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../../test/kit/eventually.ts";
import { type ApiCluster, type JoinedNode, startApiCluster } from "../../../../test/kit/scheduler-api.ts";
import type { Assignment, LogChunk } from "../ports.ts";

const spec = (change: object = {}) => ({ task: { engine: { case: "docker" as const, value: { image: "debian:13" } } }, ...change });
const bytes = (text: string) => new TextEncoder().encode(text);

describe("the output of a job", () => {
  test("comes from all partitions, by stream, with offsets to resume from", async () => {
    await using cluster = await startApiCluster();
    const { jobId, node, held } = await runningJob(cluster, 2);
    cluster.agents.logs = async function* ({ executionId, fromOffset }) {
      const partition = held.find((assignment) => assignment.executionId === executionId)?.partition ?? 0;
      const pieces = [chunk("stdout", `out-${partition} `, 6), chunk("stderr", `err-${partition}`, 11)];
      yield* pieces.filter(({ nextOffset }) => nextOffset > fromOffset);
      yield { ...chunk("stdout", "", 11), isEnd: true };
    };
    await node.report(held.map(({ executionId, epoch }) => ({ executionId, epoch, state: "running", startedAtMs: 1 })));
    const all = await collect(cluster.jobs.streamLogs({ jobId }));
    for (const { executionId, partition } of held) {
      const own = all.filter((message) => message.executionId === executionId);
      expect(own.map(({ stream, data, nextOffset, end }) => [stream, new TextDecoder().decode(data), nextOffset, end])).toEqual([
        [1, `out-${partition} `, 6n, false],
        [2, `err-${partition}`, 11n, false],
        [1, "", 11n, true],
      ]);
    }
    const [first] = held;
    if (first === undefined) throw new Error("nothing is held");
    const rest = await collect(
      cluster.jobs.streamLogs({ jobId, executionId: first.executionId, fromOffsets: { [first.executionId]: 6n } }),
    );
    expect(rest.map(({ nextOffset }) => nextOffset)).toEqual([11n, 11n]);
  });

  test("is followed through an execution that starts later, until the job ends", async () => {
    await using cluster = await startApiCluster();
    const { jobId, node, held } = await runningJob(cluster, 1, { retry: { backoff: { seconds: 0n }, retryUserFailures: true } });
    cluster.agents.logs = async function* ({ executionId }) {
      yield { ...chunk("stdout", executionId, 5), isEnd: true };
    };
    const [first] = held;
    if (first === undefined) throw new Error("nothing is held");
    const followed = collect(cluster.jobs.streamLogs({ jobId, follow: true }));
    await node.report([{ executionId: first.executionId, epoch: first.epoch, state: "running", startedAtMs: 1 }]);
    const failure = { class: "user", reason: "EXIT_NONZERO", message: "exit 1", hint: "" } as const;
    await node.report([
      { executionId: first.executionId, epoch: first.epoch, state: "failed", exitCode: 1, failure, startedAtMs: 1, endedAtMs: 2 },
    ]);
    const second = (
      await eventually(
        () => [...cluster.agents.assignments.values()],
        (list) => list.length === 2,
        { withinMs: 5_000 },
      )
    ).find(({ attempt }) => attempt === 2);
    if (second === undefined) throw new Error("there is no second attempt");
    await node.report([
      {
        executionId: second.executionId,
        epoch: second.epoch,
        state: "completed",
        exitCode: 0,
        resultCid: "bafyaaaaaaaaa",
        resultBytes: 1,
        startedAtMs: 3,
        endedAtMs: 4,
      },
    ]);
    expect((await followed).map(({ executionId }) => executionId)).toEqual([first.executionId, second.executionId]);
  });

  test("ends quietly for an execution that never ran, and for a job without any", async () => {
    await using cluster = await startApiCluster();
    const { job } = await cluster.jobs.submitJob({ spec: spec() });
    expect(await collect(cluster.jobs.streamLogs({ jobId: job?.jobId ?? "" }))).toEqual([]);
    await cluster.jobs.stopJob({ jobId: job?.jobId ?? "" });
    expect(await collect(cluster.jobs.streamLogs({ jobId: job?.jobId ?? "", follow: true }))).toEqual([]);
  });

  test("refuses an execution of another job and offsets below zero", async () => {
    await using cluster = await startApiCluster();
    const { jobId, held } = await runningJob(cluster, 1);
    const other = await cluster.jobs.submitJob({ spec: spec() });
    const executionId = held[0]?.executionId ?? "";
    expect(await failureOf(cluster.jobs.streamLogs({ jobId: other.job?.jobId ?? "", executionId }))).toMatchObject({
      reason: "EXECUTION_NOT_FOUND",
    });
    expect(await failureOf(cluster.jobs.streamLogs({ jobId, tailBytes: -1n }))).toMatchObject({ reason: "FIELD_INVALID" });
    const wide = await cluster.jobs.submitJob({ spec: spec({ count: 10_001, constraints: [{ key: "nowhere", operator: 5 }] }) });
    expect(await failureOf(cluster.jobs.streamLogs({ jobId: wide.job?.jobId ?? "" }))).toMatchObject({ reason: "FIELD_REQUIRED" });
    expect(await failureOf(cluster.jobs.streamLogs({ jobId: "no-such-job" }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  test("stops reading from the node when the caller leaves", async () => {
    await using cluster = await startApiCluster();
    const { jobId, node, held } = await runningJob(cluster, 1);
    await node.report(held.map(({ executionId, epoch }) => ({ executionId, epoch, state: "running", startedAtMs: 1 })));
    let isClosed = false;
    cluster.agents.logs = async function* (_query, signal) {
      try {
        yield chunk("stdout", "x", 1);
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      } finally {
        isClosed = true;
      }
    };
    for await (const _ of cluster.jobs.streamLogs({ jobId, follow: true })) break;
    await eventually(
      () => isClosed,
      (value) => value,
      { withinMs: 5_000 },
    );
  });
});

describe("when the node no longer has it, the output", () => {
  test("comes from the published result, standard output first", async () => {
    const { cid, transport } = publishedResult({ stdout: "a".repeat(100_000), stderr: "problem" });
    await using cluster = await startApiCluster({ config: { publisherUrl: "" }, publisherTransport: () => transport });
    const { jobId, executionId } = await finishedJob(cluster, cid);
    const all = await collect(cluster.jobs.streamLogs({ jobId }));
    expect(all.map(({ stream, data, nextOffset, end }) => [stream, data.length, nextOffset, end])).toEqual([
      [1, 65_536, 65_536n, false],
      [1, 34_464, 100_000n, false],
      [2, 7, 100_007n, false],
      [0, 0, 100_007n, true],
    ]);
    const tail = await collect(cluster.jobs.streamLogs({ jobId, tailBytes: 9n }));
    expect(tail.map(({ data }) => new TextDecoder().decode(data))).toEqual(["aa", "problem", ""]);
    const rest = await collect(cluster.jobs.streamLogs({ jobId, fromOffsets: { [executionId]: 100_004n } }));
    expect(rest.map(({ data }) => new TextDecoder().decode(data))).toEqual(["lem", ""]);
  });

  test("comes through the publisher's gateway with a link of the scheduler's own", async () => {
    const { cid, blocks } = publishedResult({ stdout: "from the gateway", stderr: "" });
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://localhost");
      const link = verifyLink({
        key: "link-key-of-the-test",
        purpose: "download",
        token: url.searchParams.get("token") ?? "",
        nowMs: Date.now(),
      });
      const block =
        link.cid === cid && url.searchParams.get("format") === "raw" ? blocks.get(url.pathname.replace("/ipfs/", "")) : undefined;
      response.writeHead(block === undefined ? 404 : 200).end(block);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      await using cluster = await startApiCluster({
        config: { publisherUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
      });
      const { jobId } = await finishedJob(cluster, cid);
      const all = await collect(cluster.jobs.streamLogs({ jobId }));
      expect(all.map(({ data }) => new TextDecoder().decode(data))).toEqual(["from the gateway", ""]);
      blocks.delete(cid);
      expect(await failureOf(cluster.jobs.streamLogs({ jobId }))).toMatchObject({ reason: "LOGS_UNAVAILABLE" });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("is unavailable when the publisher is out of reach, sends other bytes, or nothing was published", async () => {
    const { cid, transport, blocks } = publishedResult({ stdout: "fine", stderr: "" });
    for (const publisherTransport of [transport, unreachable()]) {
      await using cluster = await startApiCluster({ config: { publisherUrl: "" }, publisherTransport: () => publisherTransport });
      blocks.set(cid, bytes("other bytes"));
      const { jobId } = await finishedJob(cluster, cid);
      expect(await failureOf(cluster.jobs.streamLogs({ jobId }))).toMatchObject({ kind: "unavailable", reason: "LOGS_UNAVAILABLE" });
    }
    await using cluster = await startApiCluster({ config: { publisherUrl: "" } });
    const { jobId } = await finishedJob(cluster, cid);
    expect(await failureOf(cluster.jobs.streamLogs({ jobId, follow: true }))).toMatchObject({ reason: "LOGS_UNAVAILABLE" });
  });
});

function chunk(stream: "stdout" | "stderr", text: string, nextOffset: number): LogChunk {
  return { stream, data: bytes(text), nextOffset, atMs: 1_790_000_000_000, isEnd: false, isTruncated: false };
}

async function runningJob(
  cluster: ApiCluster,
  count: number,
  change: object = {},
): Promise<{ jobId: string; node: JoinedNode; held: readonly Assignment[] }> {
  const node = await cluster.join("a1");
  const { job } = await cluster.jobs.submitJob({ spec: spec({ count, ...change }) });
  const held = await eventually(
    () => [...cluster.agents.assignments.values()],
    (list) => list.length === count,
    { withinMs: 5_000 },
  );
  return { jobId: job?.jobId ?? "", node, held };
}

async function finishedJob(cluster: ApiCluster, resultCid: string): Promise<{ jobId: string; executionId: ExecutionId }> {
  const { jobId, node, held } = await runningJob(cluster, 1);
  const [first] = held;
  if (first === undefined) throw new Error("nothing is held");
  await node.report([
    {
      executionId: first.executionId,
      epoch: first.epoch,
      state: "completed",
      exitCode: 0,
      resultCid,
      resultBytes: 1,
      startedAtMs: 1,
      endedAtMs: 2,
    },
  ]);
  return { jobId, executionId: first.executionId };
}

/** A content store with one result folder in it. */
function publishedResult(files: Readonly<Record<string, string>>): {
  cid: string;
  transport: Transport;
  blocks: Map<string, Uint8Array<ArrayBuffer>>;
} {
  const blocks = new Map<string, Uint8Array<ArrayBuffer>>();
  const emit = (cid: { toString(): string }, block: Uint8Array): void => void blocks.set(cid.toString(), new Uint8Array(block));
  const entries = Object.entries(files).map(([name, text]) => {
    const data = bytes(text);
    const leaf: DagEntry = { cid: rawCid(hash("sha256", data, "buffer")), sizeBytes: data.length, dagBytes: data.length };
    emit(leaf.cid, data);
    return { ...buildFileDag([leaf], emit), name };
  });
  const root = buildFolderDag(entries, emit);
  const routes: Parameters<typeof createRouterTransport>[0] = (router) => {
    router.service(BlockService, {
      async *getBlocks({ cids }) {
        for (const cid of cids) {
          const data = blocks.get(cid);
          if (data === undefined) throw new DomainError("notFound", "BLOCK_MISSING", `no block ${cid}`);
          yield { block: { cid, data } };
        }
      },
    });
  };
  return {
    cid: root.cid.toString(),
    transport: createRouterTransport(routes, { router: { interceptors: [serverErrors(silentLogger)] } }),
    blocks,
  };
}

function unreachable(): Transport {
  const refuse = () => Promise.reject(new DomainError("unavailable", "UPSTREAM_UNAVAILABLE", "nobody listens"));
  return { unary: refuse, stream: refuse };
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

async function failureOf(stream: AsyncIterable<unknown>): Promise<DomainError> {
  try {
    await collect(stream);
  } catch (error) {
    return error as DomainError;
  }
  throw new Error("the call succeeded");
}
