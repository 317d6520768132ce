import type { InputPartition } from "./input-partition.ts";
import type { Network } from "./network.ts";
import type { Publisher } from "./publisher.ts";
import type { Resources } from "./resources.ts";

export type JobType = "batch";
export type EngineName = "docker" | "wasm";

export type ConstraintOperator = "=" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";

/** A condition on one label of a node. */
export interface Constraint {
  readonly key: string;
  readonly operator: ConstraintOperator;
  readonly values: readonly string[];
}

export interface DockerEngine {
  readonly name: "docker";
  /** `name[:tag]` or `name@digest`. */
  readonly image: string;
  /** Replaces ENTRYPOINT when not empty. */
  readonly entrypoint: readonly string[];
  /** Becomes CMD when not empty. */
  readonly parameters: readonly string[];
  /** Absolute, or empty for the image's own. */
  readonly workingDirectory: string;
}

export interface WasmEngine {
  readonly name: "wasm";
  /** Path of the module: the target of the input that is it, or below that of a folder. */
  readonly entryModule: string;
  readonly entrypoint: string;
  /** argv[1..]. */
  readonly parameters: readonly string[];
}

export type Engine = DockerEngine | WasmEngine;

/** Where an input comes from. */
export type Source =
  /** `dataBase64`: the bytes in base64, so that a spec is plain JSON in the store. */
  | { readonly type: "inline"; readonly dataBase64: string }
  /** `path` is below the content id, relative and normalised; empty for all of it. */
  | { readonly type: "content"; readonly cid: string; readonly path: string }
  | LocalSource
  /** `sha256` is lower-case hex, or empty when not declared. */
  | { readonly type: "http"; readonly url: string; readonly sha256: string }
  | S3Source;

export interface LocalSource {
  readonly type: "local";
  readonly path: string;
  /** Absent: no. */
  readonly isWritable?: boolean;
  /** What is made when nothing is there. Absent: nothing. */
  readonly creates?: "folder" | "file";
}

/** Texts are empty for the node's default, or for none. */
export interface S3Source {
  readonly type: "s3";
  readonly bucket: string;
  /** An object; ends with `/` for a folder, with `*` for a prefix; empty for the whole bucket. */
  readonly key: string;
  /** RE2. */
  readonly filter: string;
  readonly region: string;
  readonly endpoint: string;
  readonly versionId: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** What an ended job produced. Only requests have it: a `content` takes its place before a spec is stored. */
export interface JobOutput {
  readonly type: "job";
  /** Id, unique prefix of one, or name. */
  readonly job: string;
  /** Empty for the whole result folder. */
  readonly output: string;
  /** Undefined for those of all partitions. */
  readonly partition: number | undefined;
}

export interface InputSource {
  readonly alias: string;
  /** Absolute path inside the task. */
  readonly target: string;
  readonly source: Source;
  /** Absent: every partition of the job gets all of it. */
  readonly partition?: InputPartition;
}

export interface OutputPath {
  readonly name: string;
  /** Absolute path inside the task. */
  readonly path: string;
}

/** Limits in time; 0 is none. */
export interface Timeouts {
  readonly executionMs: number;
  readonly queueMs: number;
  readonly totalMs: number;
}

export interface RetryPolicy {
  readonly attemptsMax: number;
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  readonly retriesUserFailures: boolean;
  readonly retryExitCodes: readonly number[];
}

export interface Task {
  readonly name: string;
  readonly engine: Engine;
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: readonly InputSource[];
  readonly outputs: readonly OutputPath[];
  readonly resources: Resources;
  readonly network: Network;
  readonly publisher: Publisher;
  readonly timeouts: Timeouts;
}

/** An input as it is asked for. */
export interface RequestedInput extends Omit<InputSource, "source"> {
  readonly source: Source | JobOutput;
}

/** A checked spec whose inputs may still name outputs of jobs. */
export interface RequestedSpec extends Omit<JobSpec, "task"> {
  readonly task: Omit<Task, "inputs"> & { readonly inputs: readonly RequestedInput[] };
}

/** A job spec with every default filled in. Plain JSON: it is stored as it stands. */
export interface JobSpec {
  /** Empty until the job has an id; then never empty. */
  readonly name: string;
  readonly namespace: string;
  readonly type: JobType;
  readonly priority: number;
  readonly count: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, string>>;
  readonly constraints: readonly Constraint[];
  readonly task: Task;
  readonly retry: RetryPolicy;
}
