import { DomainError, hasReason, heldDigest, type NodeNetwork } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import type { AssignmentSet } from "../domain/assignment-set.ts";
import { hasEnded, idOf } from "../domain/execution-record.ts";
import type { Clock, JoinDetails, SchedulerPort, Session } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";
import type { OfferWatch } from "./offer-watch.ts";
import type { ReportOutbox } from "./report-outbox.ts";
import { backoffMs } from "./retry.ts";

/** Keeps this node joined: join, then heartbeats and reports until the session ends, then join again. */
export class SchedulerLink {
  readonly #parts: LinkParts;
  #session: Session | undefined;
  readonly #joined = Promise.withResolvers<void>();

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  /** The current session; undefined before the first join. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Resolves after the first join. */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  /** The current session, or the first one. @throws the signal's reason. */
  async sessionWithin(signal: AbortSignal): Promise<Session> {
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason as Error);
    signal.throwIfAborted();
    signal.addEventListener("abort", leave, { once: true });
    try {
      await Promise.race([this.#joined.promise, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
    if (this.#session !== undefined) return this.#session;
    throw new DomainError("unavailable", "SHUTTING_DOWN", "the agent is stopping");
  }

  /** Runs until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const session = await this.#join(signal);
        this.#session = session;
        this.#joined.resolve();
        this.#parts.outbox.reportAll();
        await this.#serve(session, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#parts.logger.warn({ err: error }, "the session has ended, joining again");
      }
    }
  }

  async #join(signal: AbortSignal): Promise<Session> {
    const { scheduler, offers, held, clock, logger, node } = this.#parts;
    for (let failures = 1; ; failures++) {
      try {
        const details = { ...node, ...(await offers.look(OFFERS_WITHIN_MS)) };
        const session = await scheduler.join(details, AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]));
        logger.info({ epoch: session.epoch }, "joined the cluster");
        return session;
      } catch (error) {
        signal.throwIfAborted();
        if (hasReason(error, "NODE_REJECTED")) await held.apply(NOTHING_WANTED);
        const delayMs = backoffMs(JOIN_BACKOFF, failures) * (0.5 + this.#parts.random() / 2);
        logger.warn({ err: error, delayMs: Math.round(delayMs) }, "could not join the cluster, trying again");
        await clock.sleep(delayMs, signal);
      }
    }
  }

  /** Whichever of the two learns first that the session has ended ends the other. */
  async #serve(session: Session, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const both = AbortSignal.any([signal, ended.signal]);
    const loops = [this.#beat(session, both), this.#parts.outbox.run(session.session, both)];
    try {
      await Promise.race(loops);
    } finally {
      ended.abort(new Error("the session has ended"));
      await Promise.allSettled(loops);
    }
  }

  async #beat(session: Session, signal: AbortSignal): Promise<never> {
    const { offers, logger } = this.#parts;
    let last: Beat = { nextIntervalMs: session.heartbeatIntervalMs, network: offers.network };
    for (let failures = 0; ;) {
      try {
        last = await this.#beatOnce(session.session, { intervalMs: last.nextIntervalMs, signal });
        failures = 0;
      } catch (error) {
        signal.throwIfAborted();
        if (hasReason(error, "SESSION_ENDED") || hasReason(error, "NODE_REJECTED") || ++failures >= MISSED_BEATS_MAX) throw error;
        logger.warn({ err: error, count: failures }, "a heartbeat was not answered");
        last = { ...last, network: offers.network };
        // It has waited for longer than the interval already.
        if (hasReason(error, "DEADLINE_EXCEEDED")) continue;
      }
      await this.#pause(last, signal);
    }
  }

  /** Until the next heartbeat is due, or there is something to tell that jobs may wait for. */
  async #pause({ nextIntervalMs, network }: Beat, signal: AbortSignal): Promise<void> {
    const { clock, offers } = this.#parts;
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const due = clock.sleep(nextIntervalMs, both).catch(() => undefined); // What ended it early is looked at below.
    await Promise.race([due, offers.networkOtherThan(network, both)]);
    over.abort();
    signal.throwIfAborted();
  }

  async #beatOnce(session: string, { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal }): Promise<Beat> {
    const { scheduler, held, offers, outbox } = this.#parts;
    const { engines, network } = await offers.look(OFFERS_WITHIN_MS);
    const active = held.all().filter((record) => !hasEnded(record));
    const digest = heldDigest(active.map((record) => ({ id: idOf(record), epoch: record.assignment.epoch, state: record.observed.state })));
    const answer = await scheduler.heartbeat(
      {
        session,
        appliedToken: held.appliedToken,
        heldDigest: digest,
        engines,
        network,
        executions: active.length,
      },
      AbortSignal.any([signal, AbortSignal.timeout(beatTimeoutMs(intervalMs))]),
    );
    if (answer.reportsAll) outbox.reportAll();
    return { nextIntervalMs: Math.max(INTERVAL_MS_MIN, answer.nextIntervalMs), network };
  }
}

/**
 * Short: one of two goes to a scheduler that stands still, and before the node counts as lost one has to reach the other. A leader that
 * answers later than this has heard it all the same.
 */
function beatTimeoutMs(intervalMs: number): number {
  return Math.min(CALL_TIMEOUT_MS, Math.max(BEAT_TIMEOUT_MS_MIN, intervalMs / 2));
}

interface Beat {
  readonly nextIntervalMs: number;
  /** What was told. */
  readonly network: NodeNetwork;
}

interface LinkParts {
  readonly node: Omit<JoinDetails, "engines" | "network">;
  readonly scheduler: SchedulerPort;
  readonly offers: OfferWatch;
  readonly held: HeldExecutions;
  readonly outbox: ReportOutbox;
  readonly clock: Clock;
  /** In [0, 1); keeps nodes from joining in step. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** For a node that was shut out: nobody will come to say what it shall end. */
const NOTHING_WANTED: AssignmentSet = {
  appliesTo: "",
  resultsIn: "",
  isComplete: true,
  assignments: [],
  releasedExecutionIds: [],
  releasedAskIds: [],
};
const JOIN_BACKOFF = { firstMs: 200, maxMs: 15_000 };
const CALL_TIMEOUT_MS = 10_000;
/** After so many the scheduler or its bus may have moved: ask one of its addresses again. */
const MISSED_BEATS_MAX = 60;
const BEAT_TIMEOUT_MS_MIN = 500;
const INTERVAL_MS_MIN = 50;
/** An engine that takes longer is told of with the next heartbeat, a proxy as soon as it has answered. */
const OFFERS_WITHIN_MS = 250;
