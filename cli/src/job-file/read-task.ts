import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { publisherToProto } from "@skrei/wire/publisher.ts";
import { parseBytes } from "../parse/parse-bytes.ts";
import { parseCpu } from "../parse/parse-cpu.ts";
import { refuseFeature } from "../parse/refused-features.ts";
import type { FieldCursor } from "./field-cursor.ts";
import { modulePath } from "./file-target.ts";
import type { EngineInit, InputDraft, TaskInit } from "./job-draft.ts";
import { readEngine } from "./read-engine.ts";
import { readInput } from "./read-input.ts";
import { readName } from "./read-name.ts";
import { readNetwork } from "./read-network.ts";
import { readPublisher } from "./read-publisher.ts";
import { raise } from "../parse/raise.ts";

export interface TaskDraft {
  readonly task: TaskInit;
  readonly inputs: readonly InputDraft[];
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** One entry of `Tasks`. */
export function readTask(item: FieldCursor): TaskDraft {
  const task: Mutable<TaskInit> = { network: { mode: Network_Mode.NONE } };
  let inputs: InputDraft[] = [];
  let engine: ReturnType<typeof readEngine>;
  let hasEngine = false;
  let env: Record<string, string> = {};
  item.fields({
    Name: (field) => (task.name = readName(field.is("task.name")).name),
    Engine: (field) => {
      hasEngine = true;
      engine = readEngine(field.is("task.engine"));
    },
    Publisher: (field) => {
      const publisher = readPublisher(field.is("task.publisher"));
      if (publisher !== undefined) task.publisher = publisherToProto(publisher);
    },
    Env: (field) => (env = readEnv(field.is("task.env"))),
    Meta: (field) =>
      field.entries().length > 0 ? field.problem("FIELD_UNKNOWN", "a task carries no Meta here; use the job's Meta.") : undefined,
    InputSources: (field) =>
      (inputs = field
        .is("task.inputs")
        .list()
        .flatMap((input, index) => readInput(input.is(`task.inputs[${index}]`)) ?? [])),
    ResultPaths: (field) =>
      (task.outputs = field
        .is("task.outputs")
        .list()
        .flatMap((path, index) => readOutput(path.is(`task.outputs[${index}]`)) ?? [])),
    Resources: (field) => (task.resources = readResources(field.is("task.resources"))),
    Network: (field) => (task.network = readNetwork(field.is("task.network"))),
    Timeouts: (field) => (task.timeouts = readTimeouts(field.is("task.timeouts"))),
  });
  if (!hasEngine) item.problem("FIELD_REQUIRED", 'field "Engine" is missing in the task.');
  const allInputs = [...inputs, ...(engine?.inputs ?? [])];
  return {
    task: {
      ...task,
      env: { ...env, ...engine?.env },
      ...(engine === undefined ? {} : { engine: withModuleOf(engine.engine, allInputs) }),
    },
    inputs: allInputs,
  };
}

/** Bacalhau finds a module in a folder when it is the only file there, which an object of S3 is. */
function withModuleOf(engine: EngineInit, inputs: readonly InputDraft[]): EngineInit {
  if (engine.case !== "wasm") return engine;
  const holder = inputs.find(({ target }) => target === engine.value.entryModule);
  return holder === undefined ? engine : { case: "wasm", value: { ...engine.value, entryModule: modulePath(holder) } };
}

function readEnv(field: FieldCursor): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { key, value } of field.entries()) {
    const text = value.is(`task.env.${key}`).plainText() ?? "";
    if (text.startsWith("env:"))
      value.attempt(() =>
        raise(refuseFeature(`Values from a node's own environment (${text}) are`, "Give the value itself, or an input that holds it.")),
      );
    env[key] = text;
  }
  return env;
}

function readOutput(item: FieldCursor): { name: string; path: string } | undefined {
  let name: string | undefined;
  let path: string | undefined;
  item.fields({ Name: (field) => (name = field.text()), Path: (field) => (path = field.text()) });
  if (name === undefined || path === undefined) return item.problem("FIELD_REQUIRED", "a result path needs a Name and a Path.");
  if (!path.startsWith("/")) return item.problem("FIELD_INVALID", `the Path "${path}" must be absolute.`);
  return { name, path };
}

function readResources(resources: FieldCursor): { cpuMillis: bigint; memoryBytes: bigint; diskBytes: bigint } {
  const amounts = { cpuMillis: 0n, memoryBytes: 0n, diskBytes: 0n };
  const unlessEmpty = (field: FieldCursor, parse: (text: string) => number): bigint => {
    const value = field.isNull || field.plainText() === "" ? 0 : field.parsed(parse);
    return BigInt(value ?? 0);
  };
  resources.fields({
    CPU: (field) => (amounts.cpuMillis = unlessEmpty(field.is("task.resources.cpuMillis"), parseCpu)),
    Memory: (field) => (amounts.memoryBytes = unlessEmpty(field.is("task.resources.memoryBytes"), parseBytes)),
    Disk: (field) => (amounts.diskBytes = unlessEmpty(field.is("task.resources.diskBytes"), parseBytes)),
    GPU: (field) => {
      const amount = field.isNull ? "" : field.plainText();
      if (amount !== "" && amount !== "0") field.attempt(() => raise(refuseFeature("GPUs are", "Leave GPU out or 0.")));
    },
  });
  return amounts;
}

const SECONDS_MAX = 315_360_000;

function readTimeouts(timeouts: FieldCursor): NonNullable<TaskInit["timeouts"]> {
  const seconds = (field: FieldCursor): ReturnType<typeof durationFromMs> => durationFromMs((field.integer(0, SECONDS_MAX) ?? 0) * 1000);
  const read: { execution?: ReturnType<typeof seconds>; queue?: ReturnType<typeof seconds>; total?: ReturnType<typeof seconds> } = {};
  timeouts.fields({
    ExecutionTimeout: (field) => (read.execution = seconds(field.is("task.timeouts.execution"))),
    QueueTimeout: (field) => (read.queue = seconds(field.is("task.timeouts.queue"))),
    TotalTimeout: (field) => (read.total = seconds(field.is("task.timeouts.total"))),
  });
  return read;
}
