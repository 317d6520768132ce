import { DomainError, type NodeId } from "@skrei/domain";
import type { Assignment } from "./assignment.ts";
import { INPUTS_FILE } from "./inputs-file.ts";
import type { Door, Mount, RunSpec } from "./run.ts";
import { systemEnvironment } from "./system-environment.ts";

/** What was made ready for one execution. */
export interface PreparedParts {
  readonly nodeId: NodeId;
  /** In the order of the task's inputs. */
  readonly inputs: readonly { readonly path: string; readonly isWritable: boolean }[];
  /** Says what the partition got of divided inputs; empty when none is. */
  readonly inputsFile: string;
  /** Holds one folder for each output, by name. */
  readonly outputsFolder: string;
  readonly scratchFolder: string;
  /** Its variables win over the task's own. */
  readonly door: Door;
}

/** The closed description of the run that executors get. System variables win over the door's, those over the task's. */
export function buildRunSpec(assignment: Assignment, parts: PreparedParts): RunSpec {
  const { task, jobId } = assignment.job;
  return {
    executionId: assignment.executionId,
    jobId,
    epoch: assignment.epoch,
    engine: task.engine,
    env: { ...task.env, ...parts.door.env, ...systemEnvironment(assignment, parts) },
    mounts: mountTable(assignment, parts),
    limits: { ...task.resources, timeoutMs: task.timeouts.executionMs },
    door: parts.door,
    scratchFolder: parts.scratchFolder,
  };
}

/** Folder of an output below the result's `outputs`. @throws DomainError invalid/FIELD_INVALID for a name that could leave it. */
export function outputFolderName(name: string): string {
  if (!OUTPUT_NAME.test(name)) {
    throw new DomainError("invalid", "FIELD_INVALID", `the output name "${name.slice(0, 64)}" cannot be a folder`, {
      hint: "use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
    });
  }
  return name;
}

const OUTPUT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u;

/** Inputs first, so that an output below an input's target is mounted over it. */
function mountTable({ job: { task } }: Assignment, parts: PreparedParts): readonly Mount[] {
  const inputs = task.inputs.map(({ target, source }, index): Mount => {
    const input = parts.inputs[index];
    if (input === undefined)
      throw new DomainError("invalid", "FIELD_INVALID", `input ${index} of ${task.inputs.length} was not made local`);
    const mount = { hostPath: input.path, target, isReadOnly: !input.isWritable };
    return source.type === "local" ? { ...mount, isHostData: true } : mount;
  });
  const outputs = task.outputs.map(({ name, path }): Mount => ({
    hostPath: `${parts.outputsFolder}/${outputFolderName(name)}`,
    target: path,
    isReadOnly: false,
  }));
  const inputsFile: readonly Mount[] =
    parts.inputsFile === "" ? [] : [{ hostPath: parts.inputsFile, target: INPUTS_FILE, isReadOnly: true }];
  return [...inputs, ...inputsFile, ...outputs];
}
