import type { ExecutionId, Reason, Transfer } from "@skrei/domain";
import type { Clock } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";

interface TransferSubject {
  readonly held: HeldExecutions;
  readonly clock: Clock;
  readonly executionId: ExecutionId;
  readonly kind: Transfer["kind"];
}

export interface Bytes {
  readonly bytesDone: number;
  /** 0 when unknown. */
  readonly bytesTotal: number;
}

/** Notes how one transfer of an execution goes: often enough for people, seldom enough for the journal and the scheduler. */
export class TransferNotes {
  readonly #subject: TransferSubject;
  readonly #startedAtMs: number;
  #bytes: Bytes = { bytesDone: 0, bytesTotal: 0 };
  #waiting: Transfer["waiting"];
  #notedAtMs: number | undefined;

  constructor(subject: TransferSubject) {
    this.#subject = subject;
    this.#startedAtMs = subject.clock.nowMs();
    // After a restart of the agent it waits for as long as it did before.
    this.#waiting = this.#noted()?.waiting;
  }

  /** Bytes moved, or what is to move is known now. */
  readonly progress = (bytes: Bytes): void => {
    const nowMs = this.#subject.clock.nowMs();
    const wasWaiting = this.#waiting !== undefined;
    this.#bytes = bytes;
    this.#waiting = undefined;
    if (wasWaiting || (nowMs - this.#startedAtMs >= QUIET_MS && this.#isDue(nowMs))) this.#note(nowMs);
  };

  /** Nothing moves, for this reason. */
  waits(reason: Reason, message: string): void {
    const nowMs = this.#subject.clock.nowMs();
    const isNew = this.#waiting?.reason !== reason;
    this.#waiting = { reason, message, sinceMs: this.#waiting?.sinceMs ?? nowMs };
    if (isNew || this.#isDue(nowMs)) this.#note(nowMs);
  }

  /** The transfer is over; the execution's next move tells it. */
  end(): void {
    if (this.#noted() !== undefined) this.#subject.held.endTransfer(this.#subject.executionId);
  }

  #isDue(nowMs: number): boolean {
    return this.#notedAtMs === undefined || nowMs - this.#notedAtMs >= NOTE_INTERVAL_MS;
  }

  #note(nowMs: number): void {
    const { held, executionId, kind } = this.#subject;
    this.#notedAtMs = nowMs;
    held.noteTransfer(executionId, { kind, ...this.#bytes, ...(this.#waiting !== undefined && { waiting: this.#waiting }) });
  }

  #noted(): Transfer | undefined {
    const { held, executionId, kind } = this.#subject;
    const noted = held.get(executionId)?.observed.transfer;
    return noted?.kind === kind ? noted : undefined;
  }
}

/** Shorter transfers are nobody's news. */
const QUIET_MS = 1_000;
const NOTE_INTERVAL_MS = 2_000;
