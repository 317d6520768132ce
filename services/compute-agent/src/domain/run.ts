import type { Engine, ExecutionId, Failure, JobId, NetworkMode } from "@skrei/domain";

/** A folder or file of the host that the task sees. */
export interface Mount {
  /** Absolute path on the host. */
  readonly hostPath: string;
  /** Absolute path inside the task. */
  readonly target: string;
  readonly isReadOnly: boolean;
  /** Set for a path of the node that the job named: it keeps its owner, and does not count to the task's disk. */
  readonly isHostData?: true;
}

/** Everything an executor needs to run one execution. A closed type: nothing of the user's JSON is merged in. */
export interface RunSpec {
  readonly executionId: ExecutionId;
  readonly jobId: JobId;
  readonly epoch: number;
  readonly engine: Engine;
  /** The whole environment of the task, system variables included. */
  readonly env: Readonly<Record<string, string>>;
  /** Inputs (read-only, but for data of the node that the task may change) and outputs (writable, existing, owned so that the task can write). */
  readonly mounts: readonly Mount[];
  readonly limits: RunLimits;
  /** What it may reach and how. */
  readonly door: Door;
  /** An existing folder of this execution for the executor's own scratch files; removed by the agent afterwards. */
  readonly scratchFolder: string;
}

/** The one way out of a sandbox, as the network-proxy opened it. */
export interface Door {
  readonly mode: NetworkMode;
  /** Variables for the task's environment; they hold the credential. Empty for none. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the socket at which the proxy serves this door; empty for none. The proxy makes it anew when it restarts. */
  readonly socketPath: string;
  /** `user:secret` that each request carries; empty for none. */
  readonly credential: string;
  /** For full: networks in CIDR form that the sandbox must not let the task reach. */
  readonly deniedNetworks: readonly string[];
}

/** Of a task that has no network. */
export const NO_DOOR: Door = { mode: "none", env: {}, socketPath: "", credential: "", deniedNetworks: [] };

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
