import { LIMITS, hasReason, type NetworkUse } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { hasEnded, isReported, reportOf, type ExecutionRecord } from "../domain/execution-record.ts";
import type { Clock, Report, SchedulerPort } from "../ports.ts";
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
    const everything = this.#isAllWanted ? cutBatch(all, withoutLiveUse) : [];
    const isComplete = this.#isAllWanted && everything.length === all.length;
    const batch = isComplete
      ? everything
      : cutBatch(
          all.filter((record) => !isReported(record)),
          reportOf,
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
    held.acknowledge(batch.filter(({ record, report }) => report.networkUse === record.observed.networkUse).map(({ record }) => record));
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
  readonly report: Report;
}

/** A complete report must fit into one message, and the use of what still runs is told again soon anyway. */
function withoutLiveUse(record: ExecutionRecord): Report {
  const { networkUse, ...report } = reportOf(record);
  return networkUse !== undefined && hasEnded(record) ? { ...report, networkUse } : report;
}

function cutBatch(records: readonly ExecutionRecord[], tell: (record: ExecutionRecord) => Report): readonly Entry[] {
  const batch: Entry[] = [];
  let bytes = 0;
  for (const record of records.slice(0, BATCH_MAX)) {
    const report = tell(record);
    bytes += REPORT_BYTES + (report.failure?.message.length ?? 0) + (report.failure?.hint.length ?? 0) + useBytes(report.networkUse);
    if (batch.length > 0 && bytes > LIMITS.busBatchBytesMax) break;
    batch.push({ record, report });
  }
  return batch;
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
/** Upper bound of a report without its failure's words and its hosts. */
const REPORT_BYTES = 400;
/** Upper bound of a host's counts and of what encoding adds to its words. */
const HOST_BYTES = 80;
const SEND_TIMEOUT_MS = 10_000;
const BACKOFF = { firstMs: 100, maxMs: 5_000 };
