import type { ExecutionRecord } from "../domain/execution-record.ts";
import { clearWithin } from "./clear-within.ts";
import { closeDoor } from "./close-door.ts";
import type { ExecutionParts } from "./execution-parts.ts";

/** Takes away what the engine, the proxy and the fetcher hold for an execution whose run is over. Never throws; what fails becomes a leftover. */
export async function clearSandbox(record: ExecutionRecord, parts: ExecutionParts): Promise<void> {
  const { executionId, job } = record.assignment;
  await Promise.all([
    attempt("sandbox", record, parts, async () => parts.executors.get(job.task.engine.name)?.remove(executionId)),
    attempt("door", record, parts, async () => closeDoor(record, parts)),
  ]);
  // After the sandbox: what is mounted must not be evicted.
  await attempt("inputs", record, parts, async () => parts.inputs.release(executionId));
}

/** Takes away what is left on disk of an execution but its output log. A result that the cluster's store has is not taken out of it. */
export async function clearFolders(
  record: ExecutionRecord,
  parts: ExecutionParts,
  { dropsResult }: { readonly dropsResult: boolean },
): Promise<void> {
  const { executionId } = record.assignment;
  const staysInCluster = record.observed.manifestCid !== undefined;
  if (dropsResult) await attempt("result", record, parts, async () => parts.results.drop(executionId, { staysInCluster }));
  await attempt("folders", record, parts, async () => parts.folders.remove(executionId));
}

async function attempt(
  component: string,
  record: ExecutionRecord,
  { clock, limits, logger, leftovers }: ExecutionParts,
  clear: () => Promise<void>,
): Promise<void> {
  const { executionId } = record.assignment;
  try {
    await clearWithin(clear, { clock, clearMs: limits.clearMs });
  } catch (error) {
    leftovers.add(`${component} of ${executionId}`, clear);
    logger.warn({ executionId, component, err: error }, "something of an execution could not be cleared away, it is tried again");
  }
}
