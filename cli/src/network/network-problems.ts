import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { cleanLine } from "../output/clean-text.ts";
import { countOf } from "../output/count-of.ts";
import { hostRows, sumOf } from "./host-rows.ts";
import type { HostRow } from "./host-rows.ts";

const HOSTS_NAMED = 3;
/** What a host is made of. Anything else that a task asked for must not become part of a command that people copy. */
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u;
/** What `net explain` finds again; the others depend on what was sent, and it would answer that the host is allowed. */
const EXPLAINED: ReadonlySet<string> = new Set([
  "EGRESS_HOST_NOT_ON_JOB_LIST",
  "EGRESS_HOST_NOT_ON_NODE_LIST",
  "EGRESS_LITERAL_DENIED",
  "EGRESS_CLUSTER_DENIED",
  "EGRESS_PORT_DENIED",
  "EGRESS_ADDRESS_DENIED",
  "EGRESS_NAME_UNRESOLVED",
]);

export interface NetworkProblems {
  /** Which requests were refused or failed, and why, for people. */
  readonly lines: readonly string[];
  /** What to type to look closer. */
  readonly command: string;
  /** `6 of 7 requests were refused`; undefined when none was. */
  readonly summary: string | undefined;
}

/** The hosts that the job was refused, the most asked for first, then those that failed it; undefined when there was none. */
export function networkProblems(
  { jobId, version }: Pick<Job, "jobId" | "version">,
  executions: readonly Pick<Execution, "jobVersion" | "networkUse">[],
): NetworkProblems | undefined {
  const rows = executions.filter(({ jobVersion }) => jobVersion === version).flatMap(({ networkUse }) => hostRows(networkUse));
  const sorted = mergedByHost(rows.filter(hasProblem)).toSorted((one, other) => other.denied - one.denied);
  if (sorted.length === 0) return undefined;
  const more = sorted.length - HOSTS_NAMED;
  const lines = sorted.slice(0, HOSTS_NAMED).map(lineOf);
  const { requests, denied } = sumOf(rows);
  return {
    lines: more > 0 ? [...lines, `and ${countOf(more, "host")} more`] : lines,
    command: sorted.flatMap((row) => explainCommand(row, jobId) ?? [])[0] ?? `skrei net list ${jobId}`,
    summary: denied === 0 ? undefined : `${denied} of ${countOf(requests + denied, "request")} ${denied === 1 ? "was" : "were"} refused`,
  };
}

function hasProblem({ denied, reason }: HostRow): boolean {
  return denied > 0 || isOriginFailure(reason);
}

/** It was allowed, and what answers there, or does not, failed it. */
function isOriginFailure(reason: string): boolean {
  return reason.startsWith("EGRESS_ORIGIN_");
}

function mergedByHost(rows: readonly HostRow[]): readonly HostRow[] {
  const merged = new Map<string, HostRow>();
  for (const row of rows) merged.set(row.host, { ...row, denied: row.denied + (merged.get(row.host)?.denied ?? 0) });
  return [...merged.values()];
}

function lineOf({ host, denied, reason, message }: HostRow): string {
  if (denied === 0 && message.startsWith(host)) return cleanLine(message).replace(/\.$/u, "");
  const who = denied === 0 ? host : `${countOf(denied, "request")} to ${host}`;
  const what = denied > 0 && isOriginFailure(reason) ? `; the last problem: ${message}` : `: ${message}`;
  return cleanLine(`${who}${message === "" ? "" : what}`).replace(/\.$/u, "");
}

function explainCommand({ host, reason, message }: HostRow, jobId: string): string | undefined {
  if (!EXPLAINED.has(reason) || !HOST.test(host)) return undefined;
  // The list of a host is looked at before its port, so only a refused port has to be named again.
  const port = reason === "EGRESS_PORT_DENIED" ? /^Port (\d{1,5}) of /u.exec(message)?.[1] : "";
  if (port === undefined) return undefined;
  return `skrei net explain ${port === "" ? host : `http://${host}:${port}`} --job ${jobId}`;
}
