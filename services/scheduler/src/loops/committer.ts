import { DomainError } from "@skrei/domain";
import type { Clock, StateChange, StateStore } from "../ports.ts";
import type { ChangeSet } from "./change-set.ts";
import { Notifier } from "./notifier.ts";

export interface CommitterParts {
  readonly store: StateStore;
  readonly term: number;
  readonly changes: ChangeSet;
  readonly clock: Clock;
  /** The effects of a durable change: the agents are told, the queue is filled. */
  readonly onCommitted: (change: StateChange) => void;
  readonly onRetry: (error: unknown, attempt: number) => void;
}

/**
 * Group commit: one commit at a time; all that changes meanwhile goes into the next. Nobody hears of a change
 * before it is durable.
 */
export class Committer {
  readonly #parts: CommitterParts;
  readonly #changed = new Notifier();
  /** Callers whose changes are in the commit under way, and in the next one. */
  #current: PromiseWithResolvers<void> | undefined;
  #next: PromiseWithResolvers<void> | undefined;
  #isEnded = false;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** There are changes to commit. */
  notify(): void {
    this.#changed.notify();
  }

  /** Resolves when everything changed so far is durable; rejects with unavailable/NOT_LEADER when this process stops leading before. */
  async durable(): Promise<void> {
    if (this.#isEnded) throw notLeader();
    if (!this.#parts.changes.isEmpty) {
      this.#next ??= withoutUnhandled();
      this.#changed.notify();
      return this.#next.promise;
    }
    return this.#current?.promise;
  }

  /** Commits until aborted. @throws conflict/TERM_STALE when another scheduler has taken over. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#changed.wait(signal);
        while (!this.#parts.changes.isEmpty) await this.#commitOnce(signal);
      }
    } finally {
      this.#isEnded = true;
      this.#current?.reject(notLeader());
      this.#next?.reject(notLeader());
    }
  }

  async #commitOnce(signal: AbortSignal): Promise<void> {
    const change = this.#parts.changes.take(this.#parts.term);
    this.#current = this.#next ?? withoutUnhandled();
    this.#next = undefined;
    await this.#commitUntilKnown(change, signal);
    this.#current.resolve();
    this.#current = undefined;
    this.#parts.onCommitted(change);
  }

  /** A write that threw may have happened: the same content is written again until the store says so. */
  async #commitUntilKnown(change: StateChange, signal: AbortSignal): Promise<void> {
    const { store, clock, onRetry } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        const outcome = await store.commit(change);
        signal.throwIfAborted();
        if (outcome === "committed") return;
        throw new DomainError("conflict", "TERM_STALE", `Term ${String(change.term)} is over; another scheduler leads.`);
      } catch (error) {
        if (!(error instanceof DomainError) || error.kind !== "unavailable") throw error;
        onRetry(error, attempt);
        await clock.sleep(Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (attempt - 1)), signal);
      }
    }
  }
}

export function notLeader(): DomainError {
  return new DomainError("unavailable", "NOT_LEADER", "This scheduler does not lead.", {
    hint: "Try again in a few seconds, or ask another scheduler.",
  });
}

function withoutUnhandled(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  // NOTE: effects without a waiting caller also commit; their rejection is nobody's surprise.
  resolvers.promise.catch(() => undefined);
  return resolvers;
}

const RETRY_MS = 20;
const RETRY_MS_MAX = 500;
