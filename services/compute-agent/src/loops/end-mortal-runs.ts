import { idOf, type ExecutionRecord } from "../domain/execution-record.ts";
import { restartFailure } from "../domain/failure-verdict.ts";
import { clearWithin } from "./clear-within.ts";
import { closeDoor } from "./close-door.ts";
import type { ExecutionParts } from "./execution-parts.ts";

/**
 * Ends the runs that cannot outlive the agent and says so, when it is stopped in order; after a crash the next start finds out.
 * Containers are left: the next agent takes them up.
 */
export async function endMortalRuns(parts: ExecutionParts): Promise<void> {
  const { held, executors, logger } = parts;
  for (const record of held.all()) {
    const { name } = record.assignment.job.task.engine;
    if (record.observed.state !== "running" || record.observed.end !== undefined || name !== "wasm") continue;
    try {
      await executors.get(name)?.remove(idOf(record));
    } catch (error) {
      logger.warn({ executionId: idOf(record), err: error }, "a run could not be ended, it ends with this process");
    }
    await closeItsDoor(record, parts);
    held.advance(idOf(record), "failed", { failure: restartFailure("modules end with it") });
  }
}

/** For its final count. A door that stays open here is closed by the next start. */
async function closeItsDoor(record: ExecutionRecord, parts: ExecutionParts): Promise<void> {
  const { clock, limits, logger } = parts;
  try {
    await clearWithin(() => closeDoor(record, parts), { clock, clearMs: limits.clearMs });
  } catch (error) {
    logger.warn({ executionId: idOf(record), err: error }, "the door of a run could not be closed, the next start tries again");
  }
}

/** Removes whatever the engines hold for this node, when no agent will come to take it up. */
export async function endAllRuns({ executors, logger }: Pick<ExecutionParts, "executors" | "logger">): Promise<void> {
  const ending = [...executors.values()].map(async (executor) => {
    const held = await executor.held();
    await Promise.allSettled(
      held.map(async ({ executionId }) => {
        await executor.remove(executionId).catch((error: unknown) => {
          logger.warn({ executionId, err: error }, "a run could not be ended and is left behind");
        });
      }),
    );
  });
  for (const end of await Promise.allSettled(ending))
    if (end.status === "rejected") logger.debug({ err: end.reason as unknown }, "an engine does not say what it holds");
}
