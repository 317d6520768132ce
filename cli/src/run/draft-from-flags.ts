import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { JobSpec_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { constraintToProto } from "@skrei/wire/constraint.ts";
import type { FlagValues } from "../flags.ts";
import { fileTarget } from "../job-file/file-target.ts";
import type { EngineInit, InputDraft, JobDraft, TaskInit } from "../job-file/job-draft.ts";
import type { JOB_FLAGS } from "./job-flags.ts";
import { networkOfFlags } from "./network-flags.ts";
import { publisherOfFlags } from "./publisher-flags.ts";

type JobFlags = FlagValues<typeof JOB_FLAGS>;

/** A job of flags: the engine, and what the flags say about everything else. */
export function draftFromFlags(flags: JobFlags, engine: EngineInit, moreInputs: readonly InputDraft[] = []): JobDraft {
  return {
    spec: {
      type: JobSpec_Type.BATCH,
      name: flags.name ?? "",
      namespace: flags.namespace ?? "",
      priority: flags.priority ?? 0,
      count: flags.count ?? 1,
      labels: Object.fromEntries([...flags.label, ...flags.labels]),
      constraints: [...flags.where, ...flags.constraints].flat().map(constraintToProto),
      ...(flags.attempts === undefined ? {} : { retry: { maxAttempts: flags.attempts } }),
      task: task(flags, engine),
    },
    inputs: [...moreInputs, ...inputsOfFlags(flags)],
    report: undefined,
  };
}

export function inputsOfFlags({ input }: Pick<JobFlags, "input">): readonly InputDraft[] {
  return input.map((draft) => ({
    ...draft,
    target: draft.source.type === "http" ? fileTarget(draft.target, draft.source.url) : draft.target,
  }));
}

function task(flags: JobFlags, engine: EngineInit): TaskInit {
  return {
    name: flags["task-name"] ?? "",
    engine,
    env: Object.fromEntries(flags.env),
    outputs: [...flags.out, ...flags.output].map(({ name, path }) => ({ name, path })),
    resources: { cpuMillis: BigInt(flags.cpu ?? 0), memoryBytes: BigInt(flags.memory ?? 0), diskBytes: BigInt(flags.disk ?? 0) },
    network: networkOfFlags(flags),
    ...publisherOfFlags(flags),
    timeouts: {
      ...(flags["execution-timeout"] === undefined ? {} : { execution: durationFromMs(flags["execution-timeout"]) }),
      ...(flags["queue-timeout"] === undefined ? {} : { queue: durationFromMs(flags["queue-timeout"]) }),
      ...(flags.timeout === undefined ? {} : { total: durationFromMs(flags.timeout) }),
    },
  };
}
