import type { Provenance } from "./manifest.ts";

/** What names of targets may take from a result. */
export type NamedResult = Pick<Provenance, "jobId" | "nodeId" | "partition" | "endedAtMs"> & { readonly executionId: string };

/**
 * Fills the placeholders of a key or path; repeating it gives the same name. Undefined when a segment of what comes out would be
 * empty or lead elsewhere (`.`, `..`), or a placeholder is not known.
 */
export function fillTargetName(template: string, result: NamedResult): string | undefined {
  const values = valuesOf(result);
  const name = template.replaceAll(/\{([^{}]*)\}/gu, (whole, placeholder: string) => values.get(placeholder) ?? whole);
  const segments = name.replace(/^\//u, "").replace(/\/$/u, "").split("/");
  return /[{}\p{Cc}]/u.test(name) || segments.some((segment) => segment === "" || segment === "." || segment === "..") ? undefined : name;
}

function valuesOf({ jobId, executionId, nodeId, partition, endedAtMs }: NamedResult): ReadonlyMap<string, string> {
  const [date = "", time = ""] = new Date(endedAtMs).toISOString().split(/[T.]/u);
  return new Map([
    ["jobID", plain(jobId)],
    ["executionID", plain(executionId)],
    ["nodeID", plain(nodeId)],
    ["partition", String(partition)],
    ["date", date.replaceAll("-", "")],
    ["time", time.replaceAll(":", "")],
  ]);
}

function plain(value: string): string {
  return value.replaceAll(/[^A-Za-z0-9._-]/gu, "-");
}
