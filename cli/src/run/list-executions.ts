import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Session } from "../session.ts";

const PAGE_SIZE = 1_000;

/** The executions of a job, oldest first, at most `limit`. */
export async function listExecutions(
  session: Session,
  jobId: string,
  { limit, signal }: { limit: number; signal?: AbortSignal },
): Promise<readonly Execution[]> {
  const executions: Execution[] = [];
  let pageToken = "";
  do {
    const page = await session.cluster.jobs.listExecutions(
      { jobId, pageSize: Math.min(PAGE_SIZE, limit - executions.length), pageToken },
      signal === undefined ? {} : { signal },
    );
    executions.push(...page.executions);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && executions.length < limit);
  return executions;
}

/** The newest attempt of each partition, of the newest version of the job. */
export function newestByPartition(executions: readonly Execution[]): ReadonlyMap<number, Execution> {
  const version = Math.max(0, ...executions.map(({ jobVersion }) => jobVersion));
  const newest = new Map<number, Execution>();
  for (const execution of executions) {
    const known = newest.get(execution.partition);
    if (execution.jobVersion === version && (known === undefined || known.attempt <= execution.attempt))
      newest.set(execution.partition, execution);
  }
  return newest;
}
