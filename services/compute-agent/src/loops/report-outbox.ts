import type { ExecutionReport } from "@skrei/domain";
import { LIMITS, hasReason, type NetworkUse } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { hasEnded, isReported, reportOf, type ExecutionRecord } from "../domain/execution-record.ts";
import type { Clock, SchedulerPort } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";
import { backoffMs } from "./retry.ts";

/**
 * Delivers observed states until the scheduler has made them durable: the latest of each execution, many to a message, one
 * message at a time. What happens while a message is on its way goes into the next one.
 */
export class ReportOutbox {
  readonly #parts: OutboxParts;
  #nudged = Promise.withResolvers<void>();
  #isAllWanted = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    parts.held.listen({ observed: () => this.#nudge() });
  }

  /** The next reports tell of everything held: for a new session, and when the scheduler asks for it. */
  reportAll(): void {
    this.#isAllWanted = true;
    this.#parts.held.reportAll();
    this.#nudge();
  }

  /** Sends until the session ends, which is what it throws, or the signal. */
  async run(session: string, signal: AbortSignal): Promise<never> {
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason as Error);
    signal.addEventListener("abort", leave, { once: true });
    left.promise.catch(() => undefined);
    try {
      for (let failures = 0; ;) {
        signal.throwIfAborted();
        const nudged = this.#nudged.promise;
        const outcome = await this.#trySend(session, { failures, signal });
        failures = outcome === "failed" ? failures + 1 : 0;
        if (outcome === "idle") await Promise.race([nudged, left.promise]);
      }
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  async #trySend(
    session: string,
    { failures, signal }: { readonly failures: number; readonly signal: AbortSignal },
  ): Promise<"sent" | "idle" | "failed"> {
    const { clock, logger } = this.#parts;
    try {
      return (await this.sendNext(session, signal)) ? "sent" : "idle";
    } catch (error) {
      signal.throwIfAborted();
      if (hasReason(error, "SESSION_ENDED")) throw error;
      const delayMs = backoffMs(BACKOFF, failures + 1);
      logger.warn({ err: error, delayMs }, "reports could not be delivered, trying again");
      await clock.sleep(delayMs, signal);
      return "failed";
    }
  }

  /** One message. False when there is nothing to send. */
  async sendNext(session: string, signal: AbortSignal): Promise<boolean> {
    const { held, scheduler } = this.#parts;
    const all = held.all();
    // More than fits into a message goes in several, none of which is complete.
    const everything = this.#isAllWanted ? cutBatch(all, briefly) : [];
    const isComplete = this.#isAllWanted && everything.length === all.length;
    const batch = isComplete
      ? everything
      : cutBatch(
          all.filter((record) => !isReported(record)),
          wholly,
        );
    if (batch.length === 0 && !isComplete) return false;
    this.#isAllWanted = false;
    try {
      // What is told must not be unknown to us after a crash.
      await held.durable();
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]);
      await scheduler.report({ session, reports: batch.map(({ report }) => report), isComplete }, timeout);
    } catch (error) {
      this.#isAllWanted ||= isComplete;
      throw error;
    }
    // What was left out is still to be told.
    held.acknowledge(batch.filter(({ isWhole }) => isWhole).map(({ record }) => record));
    return true;
  }

  #nudge(): void {
    this.#nudged.resolve();
    this.#nudged = Promise.withResolvers();
  }
}

interface OutboxParts {
  readonly held: HeldExecutions;
  readonly scheduler: SchedulerPort;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Entry {
  readonly record: ExecutionRecord;
  readonly report: ExecutionReport;
  /** Nothing was left out. */
  readonly isWhole: boolean;
}

function wholly(record: ExecutionRecord): Entry {
  return { record, report: reportOf(record), isWhole: true };
}

/** A complete report must fit into one message, so what a live execution does on the network and got as inputs is told after it. */
function briefly(record: ExecutionRecord): Entry {
  const whole = wholly(record);
  const { networkUse, inputs, ...report } = whole.report;
  const isShort = networkUse === undefined && inputs === undefined;
  return isShort || hasEnded(record) ? whole : { record, report, isWhole: false };
}

function cutBatch(records: readonly ExecutionRecord[], tell: (record: ExecutionRecord) => Entry): readonly Entry[] {
  const batch: Entry[] = [];
  let bytes = 0;
  for (const record of records.slice(0, BATCH_MAX)) {
    const entry = tell(record);
    const { failure, networkUse } = entry.report;
    bytes += REPORT_BYTES + (failure?.message.length ?? 0) + (failure?.hint.length ?? 0) + useBytes(networkUse) + dataBytes(entry.report);
    if (batch.length > 0 && bytes > LIMITS.busBatchBytesMax) break;
    batch.push(entry);
  }
  return batch;
}

function dataBytes({ inputs = [], transfer, deliveryUrl = "" }: ExecutionReport): number {
  const inputBytes = inputs.reduce((sum, { target, digest }) => sum + INPUT_BYTES + bytesOf(target) + digest.length, 0);
  const { message = "", reason = "" } = transfer?.waiting ?? {};
  return inputBytes + bytesOf(deliveryUrl) + bytesOf(message) + reason.length;
}

function bytesOf(text: string): number {
  return text === "" ? 0 : new TextEncoder().encode(text).length;
}

function useBytes(use: NetworkUse | undefined): number {
  if (use === undefined) return 0;
  return use.hosts.reduce(
    (sum, { host, rule, reason, message, denialReasons = [] }) =>
      sum + HOST_BYTES + host.length + rule.length + reason.length + message.length + denialReasons.join().length,
    0,
  );
}

/** The contract allows 1,000. */
const BATCH_MAX = 1_000;
/** Upper bound of a report without its failure's words, its hosts, its inputs and what it waits for. */
const REPORT_BYTES = 400;
/** Upper bound of a host's counts and of what encoding adds to its words. */
const HOST_BYTES = 80;
/** Upper bound of an input's sizes and of what encoding adds to its words. */
const INPUT_BYTES = 40;
const SEND_TIMEOUT_MS = 10_000;
const BACKOFF = { firstMs: 100, maxMs: 5_000 };
