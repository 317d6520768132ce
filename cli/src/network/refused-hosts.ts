import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { cleanLine } from "../output/clean-text.ts";
import { countOf } from "../output/count-of.ts";
import { hostRows } from "./host-rows.ts";

const HOSTS_NAMED = 3;
/** What a host is made of. Anything else that a task asked for must not become part of a command that people copy. */
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u;

export interface RefusedHosts {
  /** Which requests were refused and why, for people. */
  readonly lines: readonly string[];
  /** What to type to look closer. */
  readonly command: string;
}

/** The hosts that the job was refused, the most asked for first; undefined when there was none. */
export function refusedHosts(
  { jobId, version }: Pick<Job, "jobId" | "version">,
  executions: readonly Execution[],
): RefusedHosts | undefined {
  const refused = new Map<string, { denied: number; refusal: string }>();
  for (const { host, denied, refusal } of executions
    .filter(({ jobVersion }) => jobVersion === version)
    .flatMap(({ networkUse }) => hostRows(networkUse))) {
    if (denied > 0) refused.set(host, { denied: denied + (refused.get(host)?.denied ?? 0), refusal });
  }
  const sorted = [...refused].toSorted(([, one], [, other]) => other.denied - one.denied);
  if (sorted.length === 0) return undefined;
  const lines = sorted.slice(0, HOSTS_NAMED).map(([host, { denied, refusal }]) => {
    return cleanLine(`${countOf(denied, "request")} to ${host}${refusal === "" ? "" : `: ${refusal}`}`).replace(/\.$/u, "");
  });
  const more = sorted.length - HOSTS_NAMED;
  const host = sorted.map(([name]) => name).find((name) => HOST.test(name));
  return {
    lines: more > 0 ? [...lines, `and ${countOf(more, "host")} more`] : lines,
    command: host === undefined ? `skrei net list ${jobId}` : `skrei net explain ${host} --job ${jobId}`,
  };
}
