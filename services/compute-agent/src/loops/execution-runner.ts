import { DomainError, type ExecutionId } from "@skrei/domain";
import type { AssignmentChange } from "../domain/assignment-set.ts";
import { hasEnded, idOf } from "../domain/execution-record.ts";
import { nextStep } from "../domain/execution-step.ts";
import { driveExecution, type Drive } from "./drive-execution.ts";
import type { ExecutionParts } from "./execution-parts.ts";

/** Drives every execution that this node holds, each in its own task; they meet only in capacity and in the gate of starts. */
export class ExecutionRunner {
  readonly #parts: ExecutionParts;
  readonly #drives = new Map<ExecutionId, { readonly drive: Drive; readonly done: Promise<void> }>();
  readonly #stopping = new AbortController();

  constructor(parts: ExecutionParts) {
    this.#parts = parts;
    parts.held.listen({ wished: (change) => this.#onWish(change) });
  }

  /** Goes on with what the journal holds. Call once, before anything else is assigned. */
  resume(): void {
    for (const record of this.#parts.held.all()) {
      if (hasEnded(record)) continue;
      this.#parts.capacity.adopt(idOf(record), record.assignment.job.task.resources);
      this.#start(idOf(record));
    }
  }

  /** Executions that wait for their turn to start. */
  get queuedExecutions(): number {
    return this.#parts.held.all().filter(({ observed }) => observed.state === "assigned" || observed.state === "preparing").length;
  }

  /** Stops driving; the runs themselves go on. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DomainError("cancelled", "SHUTTING_DOWN", "the agent is stopping"));
    await Promise.all([...this.#drives.values()].map(({ done }) => done));
  }

  #onWish({ changed, forgotten }: AssignmentChange): void {
    for (const id of forgotten) void this.#forget(id);
    for (const record of changed) {
      const id = idOf(record);
      const running = this.#drives.get(id);
      if (running !== undefined) running.drive.onWish(nextStep(record));
      else if (!hasEnded(record)) this.#start(id);
    }
  }

  #start(executionId: ExecutionId): void {
    if (this.#stopping.signal.aborted || this.#drives.has(executionId)) return;
    const drive = driveExecution(executionId, this.#parts, this.#stopping.signal);
    const done = drive.done.finally(() => {
      this.#drives.delete(executionId);
      const record = this.#parts.held.get(executionId);
      if (record?.isReleased === true && hasEnded(record)) {
        this.#parts.held.forget(executionId);
        void this.#forget(executionId);
      }
    });
    this.#drives.set(executionId, { drive, done });
  }

  async #forget(executionId: ExecutionId): Promise<void> {
    try {
      await this.#parts.logs.forget(executionId);
    } catch (error) {
      this.#parts.logger.warn({ executionId, err: error }, "an output log could not be removed, the next start tries again");
    }
  }
}
