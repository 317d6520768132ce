import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DomainError } from "@skrei/domain";
import type { Engine, Task, Timeouts } from "@skrei/domain";
import { TaskSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Task as PbTask, Timeouts as PbTimeouts } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { inputSourceFromProto, inputSourceToProto } from "./input-source.ts";
import { networkFromProto, networkToProto } from "./network.ts";
import { publisherFromProto, publisherToProto } from "./publisher.ts";
import { resourcesFromProto, resourcesToProto } from "./resources.ts";
import { msFromDuration } from "./time.ts";

export function taskToProto(task: Task): PbTask {
  return create(TaskSchema, {
    name: task.name,
    engine: engineToProto(task.engine),
    env: task.env,
    inputs: task.inputs.map(inputSourceToProto),
    outputs: task.outputs.map((output) => ({ name: output.name, path: output.path })),
    resources: resourcesToProto(task.resources),
    network: networkToProto(task.network),
    publisher: publisherToProto(task.publisher),
    timeouts: {
      execution: durationFromMs(task.timeouts.executionMs),
      queue: durationFromMs(task.timeouts.queueMs),
      total: durationFromMs(task.timeouts.totalMs),
    },
  });
}

/**
 * Trusted form, for agents: the scheduler has validated it.
 * @throws DomainError precondition/FEATURE_NOT_AVAILABLE, invalid/SOURCE_TYPE_UNSUPPORTED when a newer scheduler asks for what does
 *   not exist here. Nothing is guessed: a task must not run under other rules than its author wrote.
 */
export function taskFromProto(pb: PbTask): Task {
  return {
    name: pb.name,
    engine: engineFromProto(pb.engine) ?? raise(notAvailable("engine")),
    env: { ...pb.env },
    inputs: pb.inputs.map(inputSourceFromProto),
    outputs: pb.outputs.map(({ name, path }) => ({ name, path })),
    resources: resourcesFromProto(pb.resources),
    network: networkFromProto(pb.network) ?? raise(notAvailable("network mode")),
    publisher: publisherFromProto(pb.publisher) ?? raise(notAvailable("publisher")),
    timeouts: timeoutsFromProto(pb.timeouts),
  };
}

/** Undefined when no engine, or one of a newer peer, is set. */
export function engineFromProto(pb: PbTask["engine"]): Engine | undefined {
  switch (pb.case) {
    case "docker": {
      const { image, entrypoint, parameters, workingDirectory } = pb.value;
      return { name: "docker", image, entrypoint: [...entrypoint], parameters: [...parameters], workingDirectory };
    }
    case "wasm": {
      const { entryModule, entrypoint, parameters } = pb.value;
      return { name: "wasm", entryModule, entrypoint, parameters: [...parameters] };
    }
    case undefined:
      return undefined;
  }
}

type EngineInit = NonNullable<NonNullable<Parameters<typeof create<typeof TaskSchema>>[1]>["engine"]>;

function engineToProto(engine: Engine): EngineInit {
  switch (engine.name) {
    case "docker": {
      const { image, entrypoint, parameters, workingDirectory } = engine;
      return { case: "docker", value: { image, entrypoint: [...entrypoint], parameters: [...parameters], workingDirectory } };
    }
    case "wasm": {
      const { entryModule, entrypoint, parameters } = engine;
      return { case: "wasm", value: { entryModule, entrypoint, parameters: [...parameters] } };
    }
  }
}

function timeoutsFromProto(pb: PbTimeouts | undefined): Timeouts {
  return {
    executionMs: msFromDuration(pb?.execution),
    queueMs: msFromDuration(pb?.queue),
    totalMs: msFromDuration(pb?.total),
  };
}

function notAvailable(what: string): DomainError {
  return new DomainError(
    "precondition",
    "FEATURE_NOT_AVAILABLE",
    `The task asks for something that this version does not know: its ${what}.`,
    {
      hint: "Upgrade this service to the version of the scheduler.",
    },
  );
}

function raise(error: Error): never {
  throw error;
}
