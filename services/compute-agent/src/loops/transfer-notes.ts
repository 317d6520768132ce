import type { ExecutionId, Reason, Transfer } from "@skrei/domain";
import type { Clock } from "../ports.ts";
import type { HeldExecutions } from "./held-executions.ts";

/**
 * Tells of one execution's data on its way: not of what is over within a second, and not more often than the scheduler needs it. A new
 * reason to wait is told at once. Disposed when nothing is on its way any more.
 */
export class TransferNotes implements Disposable {
  readonly #place: TransferPlace;
  readonly #beganAtMs: number;
  /** By part; an execution's inputs come side by side. */
  readonly #parts = new Map<number, Progress>();
  #waiting: Transfer["waiting"];
  /** Bytes when the next sign of life would end the waiting; undefined until the new attempt has said where it begins. */
  #waitedAtBytes: number | undefined;
  #notedAtMs: number | undefined;
  readonly #over = new AbortController();

  constructor(place: TransferPlace) {
    this.#place = place;
    this.#beganAtMs = place.clock.nowMs();
    void this.#noteSilence();
  }

  progress(progress: Progress, part = 0): void {
    this.#parts.set(part, progress);
    const { bytesDone } = this.#sum();
    if (this.#waiting !== undefined) {
      // A new attempt may begin anew; only bytes that it moves itself say that the waiting is over.
      this.#waitedAtBytes ??= bytesDone;
      if (bytesDone <= this.#waitedAtBytes) return;
      this.#waiting = undefined;
      this.#note();
      return;
    }
    const nowMs = this.#place.clock.nowMs();
    const isOften = this.#notedAtMs !== undefined && nowMs - this.#notedAtMs < NOTE_INTERVAL_MS;
    if (nowMs - this.#beganAtMs >= UNTOLD_MS && !isOften) this.#note();
  }

  waits({ reason, message }: { readonly reason: Reason; readonly message: string }): void {
    this.#waitedAtBytes = undefined;
    if (this.#waiting?.reason === reason) return;
    this.#waiting = { reason, message, sinceMs: this.#place.clock.nowMs() };
    this.#note();
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    if (this.#notedAtMs !== undefined) this.#place.held.noteTransfer(this.#place.executionId, undefined);
  }

  /** The other side may take all and answer nothing; that it lasts is told all the same. */
  async #noteSilence(): Promise<void> {
    const { signal } = this.#over;
    // It rejects when it is over sooner.
    await this.#place.clock.sleep(UNTOLD_MS, signal).catch(() => this.#over.abort());
    if (!signal.aborted && this.#notedAtMs === undefined) this.#note();
  }

  #note(): void {
    const { held, executionId, kind, clock } = this.#place;
    this.#notedAtMs = clock.nowMs();
    held.noteTransfer(executionId, { kind, ...this.#sum(), ...(this.#waiting !== undefined && { waiting: this.#waiting }) });
  }

  #sum(): Progress {
    const parts = [...this.#parts.values()];
    const isTotalKnown = parts.every(({ bytesTotal }) => bytesTotal > 0);
    return {
      bytesDone: parts.reduce((sum, { bytesDone }) => sum + bytesDone, 0),
      bytesTotal: isTotalKnown ? parts.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0) : 0,
    };
  }
}

interface TransferPlace {
  readonly executionId: ExecutionId;
  readonly kind: Transfer["kind"];
  readonly held: HeldExecutions;
  readonly clock: Clock;
}

type Progress = Pick<Transfer, "bytesDone" | "bytesTotal">;

const UNTOLD_MS = 1_000;
const NOTE_INTERVAL_MS = 2_000;
