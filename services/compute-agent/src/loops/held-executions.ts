import { nextExecutionState, type ExecutionEvent, type ExecutionId, type NetworkUse, type Transfer } from "@skrei/domain";
import type { Logger } from "@skrei/platform/logger.ts";
import { applyAssignments, type AssignmentChange, type AssignmentSet } from "../domain/assignment-set.ts";
import { hasEnded, idOf, isReported, type ExecutionRecord, type Observed } from "../domain/execution-record.ts";
import { nextStep } from "../domain/execution-step.ts";
import { isNewUse } from "../domain/network-use.ts";
import type { Clock, ExecutionJournal, JournalChange } from "../ports.ts";

/** What changed, for those who act on it. Listeners read the truth here; they get no copy of it. */
export interface ChangeListener {
  /** The scheduler's wishes: executions that are new, changed, released or forgotten. */
  wished?(change: AssignmentChange): void;
  /** Something is to be reported. */
  observed?(): void;
}

/**
 * All executions of this node in memory, and the only writer of their journal. Changes show at once; `durable` tells when the disk
 * has them. Observed states move only as the table allows.
 */
export class HeldExecutions {
  readonly #journal: ExecutionJournal;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #records = new Map<ExecutionId, ExecutionRecord>();
  readonly #listeners: ChangeListener[] = [];
  #appliedToken = "";
  readonly #unsaved = new Set<ExecutionId>();
  /** Changes made, and how many of them the disk has. */
  #changes = 0;
  #saved = 0;
  #isSaving = false;
  #nextSave = Promise.withResolvers<void>();
  readonly #closing = new AbortController();

  constructor({ journal, clock, logger }: { readonly journal: ExecutionJournal; readonly clock: Clock; readonly logger: Logger }) {
    this.#journal = journal;
    this.#clock = clock;
    this.#logger = logger;
    const { appliedToken, records } = journal.read();
    this.#appliedToken = appliedToken;
    for (const record of records) this.#records.set(idOf(record), record);
  }

  get appliedToken(): string {
    return this.#appliedToken;
  }

  get(executionId: ExecutionId): ExecutionRecord | undefined {
    return this.#records.get(executionId);
  }

  all(): readonly ExecutionRecord[] {
    return [...this.#records.values()];
  }

  listen(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Applies a message of the scheduler, durably, and gives the token of what is applied now. */
  async apply(set: AssignmentSet): Promise<string> {
    const change = applyAssignments({ appliedToken: this.#appliedToken, records: this.#records }, set);
    if (change !== undefined) {
      this.#appliedToken = change.appliedToken;
      this.#touch();
      for (const record of change.changed) this.#set(record);
      for (const id of change.forgotten) this.#delete(id);
      for (const listener of this.#listeners) listener.wished?.(change);
    }
    const token = this.#appliedToken;
    await this.durable();
    return token;
  }

  /** Moves the observed state, with which data on its way is there or needed no more; a move that the table does not have changes nothing. */
  advance(executionId: ExecutionId, event: ExecutionEvent, facts: Partial<Omit<Observed, "state">> = {}): void {
    const record = this.#records.get(executionId);
    const state = record === undefined ? undefined : nextExecutionState(record.observed.state, event);
    if (record === undefined || state === undefined) return;
    const { transfer: _, ...observed } = record.observed;
    this.#observe(record, { ...observed, ...facts, state });
    const { jobId } = record.assignment.job;
    const failure = facts.failure === undefined ? {} : { reason: facts.failure.reason };
    this.#logger.info(
      { event: `execution.${state}`, executionId, jobId, from: record.observed.state, to: state, ...failure },
      "execution moved",
    );
  }

  /** Keeps facts without a move. A result that waits for a verdict, or that the cluster's store has, is news for the scheduler. */
  note(executionId: ExecutionId, facts: Partial<Omit<Observed, "state">>): void {
    const record = this.#records.get(executionId);
    if (record === undefined || hasEnded(record)) return;
    const observed = { ...record.observed, ...facts };
    if (facts.manifestCid !== undefined || nextStep({ ...record, observed }) === "awaitVerdict") this.#observe(record, observed);
    else this.#set({ ...record, observed });
  }

  /** Keeps what an execution did through its door, which is news for the scheduler. */
  noteUse(executionId: ExecutionId, networkUse: NetworkUse): void {
    const record = this.#records.get(executionId);
    if (record === undefined || hasEnded(record) || !isNewUse(record.observed.networkUse, networkUse)) return;
    this.#observe(record, { ...record.observed, networkUse });
  }

  /** Keeps what is on its way, which is news for the scheduler, but not worth a write: a restarted agent begins anew. */
  noteTransfer(executionId: ExecutionId, transfer: Transfer | undefined): void {
    const record = this.#records.get(executionId);
    if (record === undefined || hasEnded(record) || record.observed.transfer === transfer) return;
    const { transfer: _, ...rest } = record.observed;
    const observed = transfer === undefined ? rest : { ...rest, transfer };
    this.#records.set(executionId, { ...record, observed, revision: record.revision + 1 });
    this.#notifyObserved();
  }

  /** The scheduler has made these durable, as they were. Not worth a write: after a restart everything is reported anyway. */
  acknowledge(reported: readonly ExecutionRecord[]): void {
    for (const record of reported) {
      const now = this.#records.get(idOf(record));
      if (now !== undefined && now.reportedRevision < record.revision)
        this.#records.set(idOf(now), { ...now, reportedRevision: record.revision });
    }
  }

  /** All of it goes into the next reports. */
  reportAll(): void {
    for (const record of this.#records.values())
      if (isReported(record)) this.#records.set(idOf(record), { ...record, reportedRevision: -1 });
    this.#notifyObserved();
  }

  /** Of an ended execution that was released. */
  forget(executionId: ExecutionId): void {
    this.#delete(executionId);
  }

  /** Resolves when the disk has everything up to now. */
  async durable(): Promise<void> {
    const target = this.#changes;
    while (this.#saved < target) await this.#nextSave.promise;
  }

  /** Saves what is left, and gives up if that fails; nothing may change after. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the agent is stopping"));
    await this.durable().catch((error: unknown) => this.#logger.error({ err: error }, "the journal could not be saved"));
  }

  #observe(record: ExecutionRecord, observed: Observed): void {
    this.#set({ ...record, observed, revision: record.revision + 1 });
    this.#notifyObserved();
  }

  #set(record: ExecutionRecord): void {
    this.#records.set(idOf(record), record);
    this.#touch(idOf(record));
  }

  #delete(executionId: ExecutionId): void {
    if (this.#records.delete(executionId)) this.#touch(executionId);
  }

  #touch(executionId?: ExecutionId): void {
    this.#changes++;
    if (executionId !== undefined) this.#unsaved.add(executionId);
    if (!this.#isSaving) void this.#save();
  }

  /** Saves until nothing is left; changes that come meanwhile go together into the next write. */
  async #save(): Promise<void> {
    this.#isSaving = true;
    // What changes in this turn belongs into the first write.
    await Promise.resolve();
    while (this.#saved < this.#changes) {
      const changes = this.#changes;
      const ids = [...this.#unsaved];
      this.#unsaved.clear();
      const finished = this.#nextSave;
      try {
        await this.#journal.save(this.#changeOf(ids));
        this.#saved = changes;
        this.#nextSave = Promise.withResolvers();
        finished.resolve();
      } catch (error) {
        for (const id of ids) this.#unsaved.add(id);
        if (!(await this.#waitToRetry(error))) break;
      }
    }
    this.#isSaving = false;
  }

  #changeOf(ids: readonly ExecutionId[]): JournalChange {
    const records = ids.map((id) => this.#records.get(id)).filter((record) => record !== undefined);
    return { appliedToken: this.#appliedToken, records, forgotten: ids.filter((id) => !this.#records.has(id)) };
  }

  /** False when the agent stops: then whoever waits is told. */
  async #waitToRetry(error: unknown): Promise<boolean> {
    this.#logger.error({ err: error, count: this.#unsaved.size }, "the journal could not be saved, nothing is acknowledged until it can");
    try {
      await this.#clock.sleep(SAVE_RETRY_MS, this.#closing.signal);
      return true;
    } catch {
      // The agent is stopping.
      this.#nextSave.promise.catch(() => undefined);
      this.#nextSave.reject(error);
      return false;
    }
  }

  #notifyObserved(): void {
    for (const listener of this.#listeners) listener.observed?.();
  }
}

const SAVE_RETRY_MS = 1_000;
