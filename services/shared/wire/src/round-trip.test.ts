import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { EXECUTION_STATES, JOB_STATES } from "@skrei/domain";
import type { Execution, ExecutionId, Job, JobEvent, JobId, Node, NodeId } from "@skrei/domain";
import {
  AskRequestSchema,
  AskResponseSchema,
  AssignRequestSchema,
  ExecutionReportSchema,
  StreamExecutionLogsRequestSchema,
  StreamExecutionLogsResponseSchema,
} from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { ResultSchema } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import { ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { JobEventSchema, JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobSpecSchema, Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { NodeSchema } from "@skrei/proto/skrei/node/v1/node_pb.ts";
import { expect, test } from "vitest";
import { askBatchFromProto, askBatchToProto, bidsFromProto, bidsToProto } from "./ask.ts";
import { assignmentSetFromProto, assignmentSetToProto } from "./assignment.ts";
import { executionFromProto, executionToProto } from "./execution.ts";
import { jobEventFromProto, jobEventToProto } from "./job-event.ts";
import { jobFromProto, jobToProto } from "./job.ts";
import { logChunkFromProto, logChunkToProto, logQueryFromProto, logQueryToProto } from "./log-chunk.ts";
import { nodeFromProto, nodeToProto } from "./node.ts";
import { parseJobSpec } from "./parse-job-spec.ts";
import { reportFromProto, reportToProto } from "./report.ts";
import { resultFromProto, resultOf, resultToProto } from "./result.ts";

const network = { mode: Network_Mode.HTTP, domains: [".Example.com.", "pypi.org"], egressBytesMax: 2n ** 40n };
const spec = parseJobSpec(create(JobSpecSchema, { name: "a", task: { engine: { case: "docker", value: { image: "a" } }, network } }));
const jobTask = (jobId: string) => ({ jobId: jobId as JobId, jobVersion: 2, jobName: "a", partitionCount: 3, task: spec.task });
const failure = { class: "resource", reason: "OUT_OF_MEMORY", message: "killed at 512 MiB", hint: "ask for more" } as const;
const outcome = {
  exitCode: 137,
  failure,
  resultCid: "bafyx",
  resultBytes: 2 ** 40,
  manifestCid: "bafym",
  peakMemoryBytes: 5,
  networkUse: {
    hosts: [
      {
        host: "a.test",
        requests: 1,
        denied: 2,
        sentBytes: 2 ** 40,
        receivedBytes: 3,
        rule: ".test",
        reason: "EGRESS_PORT_DENIED",
        message: "no",
      },
    ],
    requests: 1,
    denied: 2,
    sentBytes: 2 ** 40,
    receivedBytes: 3,
  },
  startedAtMs: 1_790_000_000_123,
  endedAtMs: 1_790_000_000_456,
  inputs: [{ target: "/in", digest: "cid:bafy", sizeBytes: 5, movedBytes: 3 }],
  transfer: {
    kind: "result" as const,
    bytesDone: 1,
    bytesTotal: 0,
    waiting: { reason: "TARGET_UNAVAILABLE" as const, message: "away", sinceMs: 1_790_000_000_400 },
  },
  deliveryUrl: "s3://bucket/key.tar.gz",
};
const execution: Execution = {
  id: "e-1" as ExecutionId,
  jobId: "j-1" as JobId,
  jobVersion: 1,
  partition: 2,
  attempt: 3,
  nodeId: "n-1" as NodeId,
  epoch: 4,
  desired: "stop",
  verdict: "rejected",
  state: "failed",
  createdAtMs: 1_790_000_000_000,
  ...outcome,
};
const job: Job = {
  id: "j-1" as JobId,
  version: 1,
  spec,
  state: "queued",
  failure,
  partitions: { waiting: 1, running: 0, completed: 0, failed: 0 },
  waiting: {
    partitions: 1,
    nodes: 2,
    reasons: [{ reason: "CAPACITY_BUSY", message: "needs 8", nodes: 2 }],
    evaluatedAtMs: 1_790_000_000_001,
    isImpossible: true,
  },
  exitCode: 0,
  createdAtMs: 1_790_000_000_000,
  submittedAtMs: 1_790_000_000_000,
  startedAtMs: 1_790_000_000_002,
  endedAtMs: 1_790_000_000_003,
  revision: 9,
};

function overTheWire<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): MessageShape<Desc> {
  return fromBinary(schema, toBinary(schema, message));
}

test.each(EXECUTION_STATES)("an execution that is %s comes back as it was", (state) => {
  expect(executionFromProto(overTheWire(ExecutionSchema, executionToProto({ ...execution, state })))).toEqual({ ...execution, state });
});

test("an execution with nothing but its place keeps absent what is absent", () => {
  const bare = Object.fromEntries(Object.entries(execution).filter(([key]) => !(key in outcome))) as unknown as Execution;
  expect(executionFromProto(overTheWire(ExecutionSchema, executionToProto(bare)))).toEqual(bare);
});

test.each(JOB_STATES)("a job that is %s comes back as it was", (state) => {
  expect(jobFromProto(overTheWire(JobSchema, jobToProto({ ...job, state })))).toEqual({ ...job, state });
});

test("states of a newer peer read as running, or failed once ended", () => {
  const pb = { ...jobToProto(job), state: 99 as never };
  expect(jobFromProto(pb).state).toBe("failed");
  const { endTime: _, ...running } = { ...executionToProto(execution), state: 99 as never };
  expect(executionFromProto(running).state).toBe("running");
  expect(reportFromProto({ ...reportToProto({ ...execution, executionId: execution.id }), state: 99 as never })).toBeUndefined();
});

test("an event comes back as it was, with partition 0 and without", () => {
  const event: JobEvent = {
    sequence: 7,
    atMs: 1_790_000_000_000,
    type: "execution.failed",
    jobId: job.id,
    executionId: execution.id,
    nodeId: execution.nodeId,
    partition: 0,
    from: "running",
    to: "failed",
    reason: "EXIT_NONZERO",
    message: "exit 1",
  };
  expect(jobEventFromProto(overTheWire(JobEventSchema, jobEventToProto(event)))).toEqual(event);
  const bare: JobEvent = { sequence: 8, atMs: 1, type: "node.joined" };
  expect(jobEventFromProto(overTheWire(JobEventSchema, jobEventToProto(bare)))).toEqual(bare);
});

test("a node comes back as it was but for the session, which never leaves", () => {
  const node: Node = {
    id: "n-1" as NodeId,
    name: "a1",
    membership: "approved",
    connection: "connected",
    isDraining: true,
    epoch: 3,
    session: "secret",
    labels: { os_type: "linux" },
    engines: [{ name: "docker", version: "29", isAvailable: false, message: "no socket" }],
    network: {
      modes: ["none", "http"],
      domains: [".example.com"],
      domainCount: 40,
      policyDigest: "ab",
      problem: "line 3: no such key",
      ports: [443],
      rateBitsPerSecond: 0,
      egressBytesMax: 9,
      connectionsMax: 1,
    },
    capacity: { cpuMillis: 2_000, memoryBytes: 2 ** 33, diskBytes: 2 ** 40 },
    version: "0.1.0",
    publicKeyBase64: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    joinedAtMs: 1_790_000_000_000,
    revision: 5,
  };
  const view = { node, allocated: { cpuMillis: 1, memoryBytes: 2, diskBytes: 3 }, executions: 4, heartbeatAtMs: 1_790_000_000_009 };
  const pb = overTheWire(NodeSchema, nodeToProto(view));
  expect(nodeFromProto(pb)).toEqual({ ...view, node: { ...node, session: "", revision: 0 } });
  expect(nodeFromProto({ ...pb, engines: [{ ...pb.engines[0], name: "quantum" } as never] }).node.engines).toEqual([]);
});

test("asks share each job's task and come back as they were", () => {
  const batch = {
    session: "s",
    bidWindowMs: 1_500,
    asks: [
      { askId: "1", job: jobTask("j-1"), partitions: 2 },
      { askId: "2", job: jobTask("j-2"), partitions: 1 },
      { askId: "3", job: jobTask("j-1"), partitions: 5 },
    ],
  };
  const pb = overTheWire(AskRequestSchema, askBatchToProto(batch));
  expect(pb.tasks).toHaveLength(2);
  expect(askBatchFromProto(pb)).toEqual(batch);
  expect(() => askBatchFromProto({ ...pb, tasks: [] })).toThrow("task_index 0 points outside the message's 0 tasks.");
});

test("bids come back as they were", () => {
  const bids = [
    { askId: "1", partitions: 0, reason: "CAPACITY_BUSY", message: "needs 8", missingBytes: 0, isImageMissing: false, queuedExecutions: 3 },
    { askId: "2", partitions: 1, reason: undefined, message: "", missingBytes: 2 ** 40, isImageMissing: true, queuedExecutions: 0 },
  ] as const;
  expect(bidsFromProto(overTheWire(AskResponseSchema, bidsToProto(bids)))).toEqual(bids);
});

test("an assignment set comes back as it was", () => {
  const assignment = {
    executionId: execution.id,
    job: jobTask("j-1"),
    partition: 1,
    attempt: 2,
    epoch: 3,
    desired: "run",
    verdict: "open",
    askId: "1",
    isAcceptedAtOnce: true,
  } as const;
  const set = {
    appliesTo: "a",
    resultsIn: "b",
    isComplete: false,
    assignments: [assignment, { ...assignment, partition: 2 }],
    releasedExecutionIds: [execution.id],
    releasedAskIds: ["9"],
  };
  const pb = overTheWire(AssignRequestSchema, assignmentSetToProto("s", set));
  expect(pb.session).toBe("s");
  expect(pb.tasks).toHaveLength(1);
  expect(assignmentSetFromProto(pb)).toEqual(set);
});

test("a report comes back as it was", () => {
  const report = { executionId: execution.id, epoch: 4, state: "failed", ...outcome } as const;
  expect(reportFromProto(overTheWire(ExecutionReportSchema, reportToProto(report)))).toEqual(report);
});

test("log queries and pieces come back as they were, fractions of a millisecond included", () => {
  const query = { executionId: execution.id, fromOffset: 5, tailBytes: 6, isFollowing: true };
  expect(logQueryFromProto(overTheWire(StreamExecutionLogsRequestSchema, logQueryToProto(query)))).toEqual(query);
  const chunk = {
    stream: "stderr",
    data: new Uint8Array([1, 2]),
    nextOffset: 7,
    atMs: 1_790_000_000_123.25,
    isEnd: true,
    isTruncated: true,
  } as const;
  expect(logChunkFromProto(overTheWire(StreamExecutionLogsResponseSchema, logChunkToProto(chunk)))).toEqual(chunk);
});

test("a result is what an execution has published, and is accepted once the execution has completed", () => {
  const result = resultOf(execution);
  expect(result).toMatchObject({ cid: "bafyx", isAccepted: false, exitCode: 137 });
  if (result !== undefined) expect(resultFromProto(overTheWire(ResultSchema, resultToProto(result)))).toEqual(result);
  for (const state of ["publishing", "cancelled", "lost"] as const) {
    const { manifestCid: _, ...unpublished } = { ...execution, state };
    expect(resultOf({ ...execution, state })).toMatchObject({ cid: "bafyx", manifestCid: "bafym", isAccepted: false });
    expect(resultOf(unpublished)).toBeUndefined();
  }
  expect(resultOf({ ...execution, state: "completed" })).toMatchObject({ isAccepted: true });
});
