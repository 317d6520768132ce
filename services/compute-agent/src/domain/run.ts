import type { Engine, ExecutionId, Failure, JobId, NetworkMode } from "@skrei/domain";

/** A folder or file of the host that the task sees. */
export interface Mount {
  /** Absolute path on the host. */
  readonly hostPath: string;
  /** Absolute path inside the task. */
  readonly target: string;
  readonly isReadOnly: boolean;
}

/** Everything an executor needs to run one execution. A closed type: nothing of the user's JSON is merged in. */
export interface RunSpec {
  readonly executionId: ExecutionId;
  readonly jobId: JobId;
  readonly epoch: number;
  readonly engine: Engine;
  /** The whole environment of the task, system variables included. */
  readonly env: Readonly<Record<string, string>>;
  /** Inputs (read-only) and outputs (writable, existing, owned so that the task can write). */
  readonly mounts: readonly Mount[];
  readonly limits: RunLimits;
  readonly network: NetworkMode;
  /** An existing folder of this execution for the executor's own scratch files; removed by the agent afterwards. */
  readonly scratchFolder: string;
}

export interface RunLimits {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Outputs and scratch together. */
  readonly diskBytes: number;
  /** Wall clock; 0 is none. The agent enforces it by `stop`; an executor may also use it for CPU limits. */
  readonly timeoutMs: number;
}

/** How a run ended. Exactly one of `exitCode` and `failure` is set, or both when the failure has an exit code (such as OUT_OF_MEMORY with 137). */
export interface RunEnd {
  readonly exitCode: number | undefined;
  readonly failure: Failure | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** 0 when unknown. */
  readonly peakMemoryBytes: number;
  /** Image id or `sha256:` of the module, for the manifest. */
  readonly imageDigest: string;
}

/** A run that the engine still holds and that carries our mark. */
export interface HeldRun {
  readonly executionId: ExecutionId;
  readonly isRunning: boolean;
}
