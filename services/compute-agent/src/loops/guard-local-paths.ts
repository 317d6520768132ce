import { DomainError, type InputSource, type Task } from "@skrei/domain";
import type { Refusal } from "../domain/bid.ts";
import { findPathConflict, type NeighbourRun, type PathConflict } from "../domain/path-conflict.ts";
import type { Mount, RunSpec } from "../domain/run.ts";
import type { FetchedInput } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";

/**
 * Nothing may come between this and the note of the run, which is what the next run is compared with.
 * @throws DomainError unavailable/SANDBOX_FAILED while another task may lead one of the paths elsewhere.
 */
export function refuseConflict(run: RunSpec, held: HeldExecutions): void {
  const others = neighboursIn(held).filter(({ run: { executionId } }) => executionId !== run.executionId);
  const conflict = findPathConflict(run.mounts, others);
  if (conflict === undefined) return;
  throw new DomainError("unavailable", "SANDBOX_FAILED", wordsOf(conflict), {
    hint: "run such tasks one after the other; those that run at once may share a folder, but none may write to a folder above another's",
  });
}

/** As far as a bid can tell, which knows paths as the job names them. Such a task fits when the other has ended. */
export function conflictRefusal({ inputs }: Task, held: HeldExecutions): Refusal | undefined {
  const mounts = inputs.flatMap(({ source, target }): Mount[] =>
    source.type === "local" ? [{ hostPath: source.path, target, isReadOnly: source.isWritable !== true, isHostData: true }] : [],
  );
  const conflict = mounts.length === 0 ? undefined : findPathConflict(mounts, neighboursIn(held));
  return conflict === undefined ? undefined : { reason: "CAPACITY_BUSY", message: wordsOf(conflict) };
}

function neighboursIn(held: HeldExecutions): readonly NeighbourRun[] {
  return held.all().flatMap(({ observed: { run, state, end } }) => {
    const isAlive = (state === "preparing" || state === "running") && end === undefined;
    return run === undefined || !isAlive ? [] : [{ run, isMounted: state === "running" }];
  });
}

function wordsOf({ path, folder }: PathConflict): string {
  return `${path} is not mounted while another task may write to ${folder}`;
}

/**
 * A task that may have led a path elsewhere after it was looked at has ended by now: what the path is now, it stays.
 * @throws DomainError unavailable/SANDBOX_FAILED; as `InputPort.fetch`.
 */
export async function refuseMoved(
  inputs: readonly InputSource[],
  fetched: readonly FetchedInput[],
  fetchAgain: (input: InputSource) => Promise<FetchedInput>,
): Promise<void> {
  for (const [index, input] of inputs.entries()) {
    const before = fetched[index];
    if (input.source.type !== "local" || before === undefined || isCopy(before)) continue;
    // Where it is, is asked; dividing it anew could take a while.
    const { partition: _, ...whole } = input;
    const { path } = await fetchAgain(whole);
    if (path === before.path) continue;
    throw new DomainError("unavailable", "SANDBOX_FAILED", `what ${input.target} is on the node moved while the run was prepared`, {
      hint: "it is tried again",
    });
  }
}

/** A part that was cut lies in the cache, beside the list of its files. */
function isCopy({ path, filesPath }: FetchedInput): boolean {
  return filesPath !== "" && folderOf(path) === folderOf(filesPath);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
