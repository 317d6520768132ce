import type { EngineName, JobId, NodeId } from "@skrei/domain";

/** What a result's manifest says of how it came about. */
export interface Provenance {
  readonly jobId: JobId;
  readonly jobVersion: number;
  readonly partition: number;
  readonly nodeId: NodeId;
  readonly engine: EngineName;
  readonly imageDigest: string;
  readonly inputDigests: Readonly<Record<string, string>>;
  readonly exitCode: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}
