import { DomainError, type ExecutionEvent, type ExecutionId } from "@skrei/domain";
import { hasEnded, idOf, type ExecutionRecord, type Observed } from "../domain/execution-record.ts";
import { nextStep, type ExecutionStep } from "../domain/execution-step.ts";
import { verdictAfterLaunch, verdictBeforeRun } from "../domain/failure-verdict.ts";
import type { OutputLog } from "../ports.ts";
import { attendRun } from "./attend-run.ts";
import { clearFolders, clearSandbox } from "./clear-away.ts";
import type { ExecutionParts } from "./execution-parts.ts";
import { publishFailed, type PublishOutcome, publishResult, stageResult } from "./offer-result.ts";
import { prepareRun } from "./prepare-run.ts";

/** One execution on its way. */
export interface Drive {
  /** Resolves when the execution has ended or the agent stops. Never rejects. */
  readonly done: Promise<void>;
  /** The scheduler's wish changed, and makes this the next step. */
  onWish(step: ExecutionStep): void;
}

/**
 * Takes an execution from wherever it is to its end: step by step, each decided anew from the record. Everything it made is gone
 * before it says that it ended.
 */
export function driveExecution(executionId: ExecutionId, parts: ExecutionParts, stopping: AbortSignal): Drive {
  const driver = new Driver(executionId, parts, stopping);
  return { done: driver.run(), onWish: (step) => driver.onWish(step) };
}

class Driver {
  readonly #id: ExecutionId;
  readonly #parts: ExecutionParts;
  readonly #stopping: AbortSignal;
  #step: ExecutionStep = "nothing";
  #interrupt = new AbortController();
  #log: OutputLog | undefined;
  #launchedHere = false;
  #sandboxCleared: Promise<void> | undefined;

  constructor(executionId: ExecutionId, parts: ExecutionParts, stopping: AbortSignal) {
    this.#id = executionId;
    this.#parts = parts;
    this.#stopping = stopping;
  }

  async run(): Promise<void> {
    const { held, logs } = this.#parts;
    if (held.get(this.#id)?.observed.state === "assigned") logs.expect(this.#id);
    for (let record = held.get(this.#id); record !== undefined && !hasEnded(record); record = held.get(this.#id)) {
      if (this.#stopping.aborted) break;
      this.#interrupt = new AbortController();
      this.#step = nextStep(record);
      try {
        await this.#take(this.#step, record, AbortSignal.any([this.#stopping, this.#interrupt.signal]));
      } catch (error) {
        if (this.#stopping.aborted) break;
        if (!this.#interrupt.signal.aborted) await this.#fail(error);
      }
    }
    await this.#sandboxCleared;
    await this.#closeLog();
    logs.end(this.#id);
  }

  onWish(step: ExecutionStep): void {
    if (step === this.#step) return;
    const isUrgent = step === "cancel" || step === "discard" || this.#step === "awaitVerdict";
    if (isUrgent && this.#step !== "cancel")
      this.#interrupt.abort(new DomainError("cancelled", "CANCELLED", `the scheduler wants ${step}`));
  }

  async #take(step: ExecutionStep, record: ExecutionRecord, signal: AbortSignal): Promise<void> {
    switch (step) {
      case "prepare":
        return await this.#prepare(record, signal);
      case "attend":
        await attendRun(record, { parts: this.#parts, log: (options) => this.#openLog(options), signal, isOurs: this.#launchedHere });
        // The end is durable, so the sandbox is no longer needed as a witness; it goes while the result is hashed.
        this.#sandboxCleared = clearSandbox(record, this.#parts);
        return;
      case "keepFailed":
        return await this.#keepFailed(record, signal);
      case "propose":
        await this.#closeLog();
        return await stageResult(record, { parts: this.#parts, signal });
      case "awaitVerdict":
        void this.#freeCapacity(record);
        return await interrupted(signal);
      case "publish":
        return await this.#publish(record, signal);
      case "discard":
        return await this.#finish("outvoted", {}, { dropsResult: true });
      case "cancel":
        return await this.#cancel(record);
      case "nothing":
        return;
    }
  }

  async #prepare(record: ExecutionRecord, signal: AbortSignal): Promise<void> {
    const { capacity, clock, limits } = this.#parts;
    const { resources } = record.assignment.job.task;
    if (!capacity.allocate(this.#id, { need: resources, askId: record.assignment.askId }, clock.nowMs())) {
      return await this.#finish("refused", {
        failure: {
          class: "infrastructure",
          reason: "CAPACITY_BUSY",
          message: `the node has no room for ${resources.cpuMillis} millicpu and ${resources.memoryBytes} bytes of memory any more`,
          hint: limits.stopGraceMs > 0 ? "another node may have it" : "",
        },
      });
    }
    await prepareRun(record, { parts: this.#parts, log: (options) => this.#openLog(options), signal });
    this.#launchedHere = true;
  }

  async #publish(record: ExecutionRecord, signal: AbortSignal): Promise<void> {
    this.#parts.held.advance(this.#id, "publishing");
    void this.#freeCapacity(record);
    const outcome = await publishResult(record, { parts: this.#parts, signal });
    await this.#finish(outcome.failure === undefined ? "published" : "failed", outcome);
  }

  /** A target may be away for days; others can use the room once the sandbox is gone. Never rejects. */
  async #freeCapacity(record: ExecutionRecord): Promise<void> {
    await (this.#sandboxCleared ??= clearSandbox(record, this.#parts));
    this.#parts.capacity.deallocate(this.#id);
  }

  /** As well as it can be done in its time: the failure matters more than its files. */
  async #keepFailed(record: ExecutionRecord, signal: AbortSignal): Promise<void> {
    const { clock, limits, logger } = this.#parts;
    await this.#closeLog();
    // A run that failed because its engine did may still be writing.
    await (this.#sandboxCleared ??= clearSandbox(record, this.#parts));
    const done = new AbortController();
    const tooLate = new AbortController();
    const timer = clock.sleep(limits.keepFailedMs, AbortSignal.any([signal, done.signal])).then(
      () => tooLate.abort(new DomainError("timeout", "DEADLINE_EXCEEDED", `not kept within ${limits.keepFailedMs} ms`)),
      () => undefined, // Done in time, or interrupted.
    );
    let kept: Partial<PublishOutcome> = {};
    try {
      const context = { parts: this.#parts, signal: AbortSignal.any([signal, tooLate.signal]) };
      await stageResult(record, context);
      await publishFailed(record, context, (outcome) => {
        kept = outcome;
      });
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ executionId: this.#id, err: error }, "the result of a failed run could not be kept");
    } finally {
      done.abort();
      await timer;
    }
    await this.#finish("failed", kept, { dropsResult: kept.manifestCid === undefined });
  }

  async #cancel(record: ExecutionRecord): Promise<void> {
    const { executors, limits, logger } = this.#parts;
    const executor = executors.get(record.assignment.job.task.engine.name);
    if (record.observed.state === "running" && record.observed.end === undefined) {
      await executor?.stop(this.#id, limits.stopGraceMs).catch((error: unknown) => {
        // Removing it kills it as well.
        logger.warn({ executionId: this.#id, err: error }, "a task could not be asked to end");
      });
    }
    await this.#finish("stopped", {}, { dropsResult: true });
  }

  async #fail(error: unknown): Promise<void> {
    const record = this.#parts.held.get(this.#id);
    if (record === undefined || hasEnded(record)) return;
    this.#parts.logger.warn({ executionId: this.#id, state: record.observed.state, err: error }, "an execution could not go on");
    if (record.observed.state === "running" && record.observed.failure === undefined) {
      // What it wrote so far is kept with the failure.
      this.#parts.held.note(this.#id, { failure: verdictAfterLaunch(error).failure });
      return;
    }
    const isBefore = record.observed.state === "assigned" || record.observed.state === "preparing";
    const { event, failure } = isBefore ? verdictBeforeRun(error) : verdictAfterLaunch(error);
    await this.#finish(event, { failure });
  }

  /** Clears away first, then says that it ended. */
  async #finish(event: ExecutionEvent, facts: Partial<Observed>, { dropsResult = false } = {}): Promise<void> {
    const { held, capacity } = this.#parts;
    await this.#closeLog();
    const record = held.get(this.#id);
    if (record === undefined) return;
    await (this.#sandboxCleared ?? clearSandbox(record, this.#parts));
    await clearFolders(record, this.#parts, { dropsResult });
    capacity.deallocate(this.#id);
    held.advance(idOf(record), event, facts);
  }

  async #openLog({ isFresh }: { readonly isFresh: boolean }): Promise<OutputLog> {
    if (this.#log !== undefined && !isFresh) return this.#log;
    await this.#closeLog();
    const rawFolder = this.#parts.folders.of(this.#id).resultFolder;
    return (this.#log = await this.#parts.logs.open(this.#id, { rawFolder, isFresh }));
  }

  async #closeLog(): Promise<void> {
    await this.#log?.close();
    this.#log = undefined;
  }
}

/** Waits for an interruption, which is what it throws. */
function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
