import type { ResultPart, StagedResult } from "./staged-result.ts";

/** How a result came to be. */
export interface Provenance {
  readonly jobId: string;
  readonly jobVersion: number;
  readonly partition: number;
  readonly nodeId: string;
  readonly engine: string;
  readonly imageDigest: string;
  readonly inputDigests: Readonly<Record<string, string>>;
  readonly exitCode: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export interface Manifest extends Provenance {
  readonly format: "skrei-manifest/1";
  /** Rules by which the content ids were made. */
  readonly profile: "unixfs-v1-2025";
  readonly executionId: string;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly parts: readonly ResultPart[];
  readonly skippedPaths: readonly string[];
}

export function buildManifest(result: StagedResult, provenance: Provenance): Manifest {
  const { executionId, cid, sizeBytes, parts, skippedPaths } = result;
  return { ...provenance, format: "skrei-manifest/1", profile: "unixfs-v1-2025", executionId, cid, sizeBytes, parts, skippedPaths };
}

/** JSON with sorted keys and no spaces (RFC 8785 for the values that occur here), so that the same manifest has the same bytes. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
}
