import { isExecutionEnded } from "@skrei/domain";
import type { Execution, ExecutionId, Job, JobId } from "@skrei/domain";
import type { NetworkedExecution } from "../ports.ts";

/** The executions that have a network and have not ended, as the store has them: for those who look at what they do. */
export class NetworkedExecutions {
  readonly #executions = new Map<ExecutionId, NetworkedExecution>();
  #all: readonly NetworkedExecution[] | undefined;
  readonly #jobs: ReadonlyMap<JobId, { readonly job: Job }>;

  constructor(jobs: ReadonlyMap<JobId, { readonly job: Job }>) {
    this.#jobs = jobs;
  }

  /** Takes over what is durable now. True when somebody may want to look again. */
  take(executions: readonly Execution[]): boolean {
    let isChanged = false;
    for (const execution of executions) if (this.#takeOne(execution)) isChanged = true;
    if (isChanged) this.#all = undefined;
    return isChanged;
  }

  /** The same array until something changes. */
  all(): readonly NetworkedExecution[] {
    return (this.#all ??= [...this.#executions.values()]);
  }

  #takeOne(execution: Execution): boolean {
    // First, since the job of an ended execution may be forgotten already.
    if (isExecutionEnded(execution.state)) return this.#executions.delete(execution.id);
    const spec = this.#jobs.get(execution.jobId)?.job.spec;
    if (spec === undefined || spec.task.network.mode === "none") return false;
    this.#executions.set(execution.id, { execution, jobName: spec.name, network: spec.task.network });
    return true;
  }
}
