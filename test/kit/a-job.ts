import { readFileSync } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";

export type JobSpecInit = Exclude<MessageInitShape<typeof JobSpecSchema>, { $typeName: string }>;
type TaskInit = Exclude<NonNullable<JobSpecInit["task"]>, { $typeName: string }>;

/** What a test may want to say about a job; everything else is valid and boring. */
export interface JobParts {
  readonly name?: string;
  readonly count?: number;
  readonly image?: string;
  /** Replaces the image's CMD. */
  readonly command?: readonly string[];
  readonly env?: Record<string, string>;
  /** `name: path in the task`. */
  readonly outputs?: Readonly<Record<string, string>>;
  readonly inputs?: TaskInit["inputs"];
  readonly network?: TaskInit["network"];
  readonly cpuMillis?: number;
  readonly memoryBytes?: number;
  readonly diskBytes?: number;
  readonly executionTimeoutMs?: number;
  readonly queueTimeoutMs?: number;
  readonly totalTimeoutMs?: number;
  readonly retry?: JobSpecInit["retry"];
  readonly constraints?: JobSpecInit["constraints"];
}

const MIB = 1_024 * 1_024;

/** A container that ends at once. */
export function aJob({ image = "busybox", command = ["true"], ...parts }: JobParts = {}): JobSpecInit {
  return jobOf(parts, { engine: { case: "docker", value: { image, parameters: [...command] } } });
}

/** A container that runs a script in `sh`. */
export function aShellJob(script: string, parts: JobParts = {}): JobSpecInit {
  return aJob({ ...parts, command: ["sh", "-c", script] });
}

/** A module of test/wasm, carried by the spec itself. */
export function aWasmJob(
  module = "noop",
  { parameters = [], ...parts }: JobParts & { readonly parameters?: readonly string[] } = {},
): JobSpecInit {
  const target = `/app/${module}.wasm`;
  const data = Uint8Array.from(readFileSync(new URL(`../wasm/${module}.wasm`, import.meta.url)));
  return jobOf(parts, {
    engine: { case: "wasm", value: { entryModule: target, parameters: [...parameters] } },
    inputs: [{ target, source: { case: "inline", value: { data } } }],
  });
}

function jobOf(parts: Omit<JobParts, "image" | "command">, task: TaskInit): JobSpecInit {
  const { name = "", count = 1, env = {}, outputs = {}, retry, constraints = [] } = parts;
  const { cpuMillis = 100, memoryBytes = 64 * MIB, diskBytes = 64 * MIB } = parts;
  return {
    name,
    count,
    constraints,
    ...(retry !== undefined && { retry }),
    task: {
      ...optionalParts(parts),
      ...task,
      env,
      outputs: Object.entries(outputs).map(([output, path]) => ({ name: output, path })),
      resources: { cpuMillis: BigInt(cpuMillis), memoryBytes: BigInt(memoryBytes), diskBytes: BigInt(diskBytes) },
      timeouts: timeoutsOf(parts),
    },
  };
}

function optionalParts({ inputs, network }: JobParts): TaskInit {
  return { ...(inputs !== undefined && { inputs }), ...(network !== undefined && { network }) };
}

function timeoutsOf({ executionTimeoutMs, queueTimeoutMs, totalTimeoutMs }: JobParts): NonNullable<TaskInit["timeouts"]> {
  return {
    ...(executionTimeoutMs !== undefined && { execution: durationFromMs(executionTimeoutMs) }),
    ...(queueTimeoutMs !== undefined && { queue: durationFromMs(queueTimeoutMs) }),
    ...(totalTimeoutMs !== undefined && { total: durationFromMs(totalTimeoutMs) }),
  };
}
