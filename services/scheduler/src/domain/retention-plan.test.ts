import type { Execution, Job, Pin } from "@skrei/domain";
import { describe, expect, test } from "vitest";
import { aJob, aSpec } from "../../../../test/contract/state-store-records.ts";
import { anExecution } from "../../../../test/kit/scheduler-records.ts";
import { planUnpins, type RetentionFacts } from "./retention-plan.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 1_800_000_000_000;
const CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
const spec = aSpec();
const job = aJob({ state: "completed", endedAtMs: NOW_MS - 5 * HOUR_MS });
const execution = anExecution({ jobId: job.id, state: "completed" });
const owner = `execution:${execution.id}`;

describe("the pins of an execution", () => {
  test("end when the state store knows neither it nor its job", () => {
    expect(unpinned({ pins: [aPin()] })).toEqual([owner]);
    expect(unpinned({ pins: [aPin()], executions: [execution] })).toEqual([owner]);
  });

  test("that a state store without its data does not know stay for as long as ended jobs are known", () => {
    const jobRetentionMs = 720 * HOUR_MS;
    const pin = aPin({ createdAtMs: NOW_MS - jobRetentionMs + 1 });
    expect(unpinned({ pins: [pin], jobRetentionMs })).toEqual([]);
    expect(unpinned({ pins: [pin], executions: [execution], jobRetentionMs })).toEqual([]);
    expect(unpinned({ pins: [aPin({ createdAtMs: NOW_MS - jobRetentionMs })], jobRetentionMs })).toEqual([owner]);
  });

  test("stay as long as their job is known and asked for no end", () => {
    expect(unpinned({ pins: [aPin()], executions: [execution], jobs: [job] })).toEqual([]);
  });

  test("end when the retention that the job asked for has passed since its end, to the millisecond", () => {
    const kept = { pins: [aPin()], executions: [execution] };
    expect(unpinned({ ...kept, jobs: [withRetention(5 * HOUR_MS)] })).toEqual([owner]);
    expect(unpinned({ ...kept, jobs: [withRetention(5 * HOUR_MS + 1)] })).toEqual([]);
  });

  test("stay while the job runs again, and while the execution has not ended", () => {
    const { endedAtMs: _, ...again } = withRetention(1);
    expect(unpinned({ pins: [aPin()], executions: [execution], jobs: [{ ...again, state: "running" }] })).toEqual([]);
    const publishing: Execution = { ...execution, state: "publishing" };
    expect(unpinned({ pins: [aPin()], executions: [publishing], jobs: [withRetention(1)] })).toEqual([]);
  });

  test("are told once for the result and its manifest, and both wait for the younger", () => {
    const old = aPin();
    expect(unpinned({ pins: [old, aPin({ cid: "bafkreimanifest" })] })).toEqual([owner]);
    const young = aPin({ cid: "bafkreimanifest", createdAtMs: NOW_MS - HOUR_MS + 1 });
    expect(unpinned({ pins: [old, young] })).toEqual([]);
    expect(unpinned({ pins: [young, old] })).toEqual([]);
  });
});

describe("the pin of an upload", () => {
  const upload = aPin({ owner: `upload:${CID}` });

  test("without an end goes when its time has passed, but not while a job reads it", () => {
    expect(unpinned({ pins: [upload] })).toEqual([upload.owner]);
    expect(unpinned({ pins: [upload], readRoots: new Set([CID]) })).toEqual([]);
    expect(unpinned({ pins: [upload], uploadRetentionMs: 3 * HOUR_MS })).toEqual([]);
  });

  test("with an end goes by itself", () => {
    expect(unpinned({ pins: [{ ...upload, expiresAtMs: NOW_MS + 1 }] })).toEqual([]);
  });
});

test("nothing younger than an hour goes, whatever is known of it", () => {
  const createdAtMs = NOW_MS - HOUR_MS + 1;
  const pins = [aPin({ createdAtMs }), aPin({ owner: `upload:${CID}`, createdAtMs })];
  expect(unpinned({ pins, uploadRetentionMs: 1 })).toEqual([]);
});

test("named pins and owners of another making are left alone", () => {
  const owners = ["pin:reference", "backup", "backup:x", "execution:", ":x", ""];
  expect(unpinned({ pins: owners.map((other) => aPin({ owner: other, createdAtMs: 0 })) })).toEqual([]);
});

interface Given extends Partial<Omit<RetentionFacts, "executions" | "jobs">> {
  readonly pins: readonly Pin[];
  readonly executions?: readonly Execution[];
  readonly jobs?: readonly Job[];
}

function unpinned({ executions = [], jobs = [], ...given }: Given): readonly string[] {
  return planUnpins({
    executions: new Map(executions.map((one) => [one.id, one])),
    jobs: new Map(jobs.map((one) => [one.id, one])),
    readRoots: new Set(),
    uploadRetentionMs: 2 * HOUR_MS,
    jobRetentionMs: 2 * HOUR_MS,
    nowMs: NOW_MS,
    ...given,
  });
}

function withRetention(retentionMs: number): Job {
  return { ...job, spec: { ...spec, task: { ...spec.task, publisher: { type: "cluster", retentionMs } } } };
}

function aPin(change: Partial<Pin> = {}): Pin {
  return { owner, cid: CID, sizeBytes: 1, createdAtMs: NOW_MS - 2 * HOUR_MS, expiresAtMs: undefined, ...change };
}
