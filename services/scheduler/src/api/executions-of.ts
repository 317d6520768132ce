import type { Execution, ExecutionId, JobId } from "@skrei/domain";
import type { StateStore } from "../ports.ts";

/** All of a job, oldest first, a page at a time. */
export async function* executionsOf(store: StateStore, jobId: JobId): AsyncGenerator<Execution> {
  let after: ExecutionId | undefined;
  for (;;) {
    const page = await store.listExecutions(jobId, after, EXECUTIONS_A_PAGE);
    yield* page;
    after = page.at(-1)?.id;
    if (page.length < EXECUTIONS_A_PAGE) return;
  }
}

const EXECUTIONS_A_PAGE = 1_000;
