import { DomainError, type InputSource } from "@skrei/domain";
import { findPathConflict } from "../domain/path-conflict.ts";
import type { RunSpec } from "../domain/run.ts";
import type { FetchedInput } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";

/**
 * Nothing may come between this and the note of the run, which is what the next run is compared with.
 * @throws DomainError unavailable/SANDBOX_FAILED while another task may lead one of the paths elsewhere.
 */
export function refuseConflict(run: RunSpec, held: HeldExecutions): void {
  const neighbours = held.all().flatMap(({ observed }) => {
    const { run: other, state, end } = observed;
    const isAlive = (state === "preparing" || state === "running") && end === undefined;
    return other === undefined || !isAlive || other.executionId === run.executionId ? [] : [{ run: other, isMounted: state === "running" }];
  });
  const conflict = findPathConflict(run, neighbours);
  if (conflict === undefined) return;
  const { path, folder } = conflict;
  throw new DomainError("unavailable", "SANDBOX_FAILED", `${path} is not mounted while another task may write to ${folder}`, {
    hint: "it is tried again; tasks that run at once may share a folder, but none may write to a folder above another's",
  });
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
    if (input.source.type !== "local") continue;
    const { path } = await fetchAgain(input);
    if (path === fetched[index]?.path) continue;
    throw new DomainError("unavailable", "SANDBOX_FAILED", `what ${input.target} is on the node moved while the run was prepared`, {
      hint: "it is tried again",
    });
  }
}
