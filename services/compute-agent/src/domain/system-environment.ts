import type { NodeId } from "@skrei/domain";
import type { Assignment } from "./assignment.ts";
import { INPUTS_FILE } from "./inputs-file.ts";

/** What every task is told about itself, as `SKREI_…` and under the names that Bacalhau's tasks know. */
export function systemEnvironment(
  assignment: Assignment,
  { nodeId, inputsFile }: { readonly nodeId: NodeId; readonly inputsFile: string },
): Readonly<Record<string, string>> {
  const values = {
    EXECUTION_ID: assignment.executionId,
    JOB_ID: assignment.job.jobId,
    JOB_TYPE: "batch",
    PARTITION_INDEX: String(assignment.partition),
    PARTITION_COUNT: String(assignment.job.partitionCount),
    NODE_ID: nodeId,
  };
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    env[`SKREI_${name}`] = value;
    env[`BACALHAU_${name}`] = value;
  }
  // Bacalhau has nothing like it.
  return inputsFile === "" ? env : { ...env, SKREI_INPUTS_FILE: INPUTS_FILE };
}
