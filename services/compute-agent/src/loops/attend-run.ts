import { DomainError } from "@skrei/domain";
import { endByNodeClock } from "../domain/end-by-node-clock.ts";
import { idOf, type ExecutionRecord } from "../domain/execution-record.ts";
import { failureOfRun, restartFailure, timeoutFailure } from "../domain/failure-verdict.ts";
import type { RunEnd } from "../domain/run.ts";
import type { Executor, OutputLog } from "../ports.ts";
import { executorOf } from "./prepare-run.ts";
import type { ExecutionParts } from "./execution-parts.ts";
import { untilAvailable } from "./retry.ts";

/**
 * Waits for the end of a run, and ends it when its time is over. The end is durable when this resolves; the record is then
 * `proposing`, or `running` with a failure. `isOurs` is false for a run that an earlier agent launched: it is taken up again first.
 */
export async function attendRun(record: ExecutionRecord, context: AttendContext): Promise<void> {
  const { parts, log, signal } = context;
  const { held, clock, logger, limits } = parts;
  const executionId = idOf(record);
  let awaySinceMs: number | undefined;
  let isOurs = context.isOurs;
  const sink = await log({ isFresh: false });
  const end = await untilAvailable(
    async () => {
      const executor = executorOf(record, parts);
      if (!isOurs && !(await takeUp(record, { executor, sink, signal }))) return undefined;
      isOurs = true;
      awaySinceMs = undefined;
      return await waitWithin(record, { executor, parts, signal });
    },
    {
      clock,
      backoff: ENGINE_BACKOFF,
      signal,
      onRetry: (error, delayMs) => {
        isOurs = false;
        awaySinceMs ??= clock.nowMs();
        if (clock.nowMs() - awaySinceMs > limits.engineAwayMs) throw error;
        logger.warn({ executionId, err: error, delayMs }, "the engine does not answer for a run, trying again");
      },
    },
  );
  await sink.close();
  if (end === undefined) held.note(executionId, { failure: restartFailure("the run could not be taken up again") });
  else settle(record, { end: { ...end, run: endByNodeClock(end.run, timesOf(record, context)) }, parts, sink });
  await held.durable();
}

interface AttendContext {
  readonly parts: ExecutionParts;
  readonly log: (options: { readonly isFresh: boolean }) => Promise<OutputLog>;
  readonly signal: AbortSignal;
  readonly isOurs: boolean;
}

function timesOf({ observed }: ExecutionRecord, { parts, isOurs }: AttendContext): Parameters<typeof endByNodeClock>[1] {
  return { startedAtMs: observed.startedAtMs, seenAtMs: isOurs ? parts.clock.nowMs() : undefined };
}

function settle(
  record: ExecutionRecord,
  { end, parts, sink }: { readonly end: TimedEnd; readonly parts: ExecutionParts; readonly sink: OutputLog },
): void {
  const { run, isTimedOut } = end;
  const { executionMs } = record.assignment.job.task.timeouts;
  const failure = isTimedOut ? timeoutFailure(executionMs) : failureOfRun(run, sink.lastErrorLine());
  if (failure === undefined) parts.held.advance(idOf(record), "proposed", { end: run });
  else parts.held.note(idOf(record), { end: run, failure });
}

interface TimedEnd {
  readonly run: RunEnd;
  readonly isTimedOut: boolean;
}

async function takeUp(
  record: ExecutionRecord,
  { executor, sink, signal }: { executor: Executor; sink: OutputLog; signal: AbortSignal },
): Promise<boolean> {
  const { run } = record.observed;
  return run !== undefined && (await executor.adopt(run, sink, signal));
}

async function waitWithin(
  record: ExecutionRecord,
  { executor, parts, signal }: { readonly executor: Executor; readonly parts: ExecutionParts; readonly signal: AbortSignal },
): Promise<TimedEnd> {
  const { clock, limits } = parts;
  const { timeouts } = record.assignment.job.task;
  const executionId = idOf(record);
  if (timeouts.executionMs === 0) return { run: await executor.wait(executionId, signal), isTimedOut: false };
  using ended = abortedOnDispose();
  const deadlineMs = (record.observed.startedAtMs ?? clock.nowMs()) + timeouts.executionMs;
  let isTimedOut = false;
  const timer = clock.sleep(deadlineMs - clock.nowMs(), AbortSignal.any([signal, ended.signal])).then(
    async () => {
      isTimedOut = true;
      await executor.stop(executionId, limits.stopGraceMs);
    },
    () => undefined, // It ended in time, or we leave.
  );
  const run = await Promise.race([executor.wait(executionId, signal), rejectionOf(timer)]);
  return { run, isTimedOut };
}

/** Only the failure of a promise matters; its success decides nothing. */
function rejectionOf(promise: Promise<void>): Promise<never> {
  return new Promise((_, reject) => void promise.catch(reject));
}

function abortedOnDispose(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => controller.abort(new DomainError("cancelled", "CANCELLED", "the run ended")),
  };
}

const ENGINE_BACKOFF = { firstMs: 500, maxMs: 10_000 };
