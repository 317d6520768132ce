import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { constraintToProto } from "@skrei/wire/constraint.ts";
import type { FlagValues } from "../flags.ts";
import type { InputDraft, JobDraft, TaskInit } from "../job-file/job-draft.ts";
import { inputsOfFlags } from "./draft-from-flags.ts";
import type { JOB_FLAGS } from "./job-flags.ts";
import { networkOfFlags } from "./network-flags.ts";
import { publisherOfFlags } from "./publisher-flags.ts";

type JobFlags = FlagValues<typeof JOB_FLAGS>;

/** The job of a file with the flags over it: single values replace, maps and lists are added to, an entry of the same name gives way. */
export function applyFlags(draft: JobDraft, flags: JobFlags): JobDraft {
  const { spec } = draft;
  const constraints = [...flags.where, ...flags.constraints].flat().map(constraintToProto);
  return {
    ...draft,
    spec: {
      ...spec,
      ...(flags.name !== undefined && { name: flags.name }),
      ...(flags.namespace !== undefined && { namespace: flags.namespace }),
      ...(flags.priority !== undefined && { priority: flags.priority }),
      ...(flags.count !== undefined && { count: flags.count }),
      labels: { ...spec.labels, ...Object.fromEntries([...flags.label, ...flags.labels]) },
      constraints: [...(spec.constraints ?? []), ...constraints],
      ...(flags.attempts !== undefined && { retry: { ...spec.retry, maxAttempts: flags.attempts } }),
      task: applyToTask(spec.task, flags),
    },
    inputs: withInputs(draft.inputs, inputsOfFlags(flags)),
  };
}

function applyToTask(task: TaskInit, flags: JobFlags): TaskInit {
  const outputs = [...flags.out, ...flags.output].map(({ name, path }) => ({ name, path }));
  const names = new Set(outputs.map(({ name }) => name));
  return {
    ...task,
    ...(flags["task-name"] !== undefined && { name: flags["task-name"] }),
    env: { ...task.env, ...Object.fromEntries(flags.env) },
    outputs: [...(task.outputs ?? []).filter(({ name = "" }) => !names.has(name)), ...outputs],
    resources: {
      ...task.resources,
      ...(flags.cpu !== undefined && { cpuMillis: BigInt(flags.cpu) }),
      ...(flags.memory !== undefined && { memoryBytes: BigInt(flags.memory) }),
      ...(flags.disk !== undefined && { diskBytes: BigInt(flags.disk) }),
    },
    network: networkOfFlags(flags, task.network),
    ...publisherOfFlags(flags, task.publisher),
    timeouts: {
      ...task.timeouts,
      ...(flags["execution-timeout"] !== undefined && { execution: durationFromMs(flags["execution-timeout"]) }),
      ...(flags["queue-timeout"] !== undefined && { queue: durationFromMs(flags["queue-timeout"]) }),
      ...(flags.timeout !== undefined && { total: durationFromMs(flags.timeout) }),
    },
  };
}

/** In the file's order, so that its places stay those of the inputs; an input of the same target is replaced where it stands. */
function withInputs(inputs: readonly InputDraft[], given: readonly InputDraft[]): readonly InputDraft[] {
  const byTarget = new Map(given.map((input) => [input.target, input]));
  const replaced = inputs.map((input) => byTarget.get(input.target) ?? input);
  const known = new Set(inputs.map(({ target }) => target));
  return [...replaced, ...given.filter(({ target }) => !known.has(target))];
}
