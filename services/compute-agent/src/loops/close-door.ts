import type { ExecutionRecord } from "../domain/execution-record.ts";
import type { DoorPort } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";

/** Closes the door of an execution and keeps its final count for the next report. A task without a network has none. */
export async function closeDoor(
  { assignment }: ExecutionRecord,
  { doors, held }: { readonly doors: DoorPort; readonly held: HeldExecutions },
): Promise<void> {
  const { executionId, job } = assignment;
  if (job.task.network.mode === "none") return;
  const use = await doors.close(executionId);
  if (use !== undefined) held.noteUse(executionId, use);
}
