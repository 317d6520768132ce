import type { Readable, Writable } from "node:stream";
import { type RateBucket, SLICE_BYTES } from "../../domain/rate-bucket.ts";

export interface PumpOptions {
  readonly source: Readable;
  readonly target: Writable;
  /** Books what passes; undefined lets it pass as fast as the target takes it. Asked for each chunk, for the policy may change. */
  readonly bucket: () => RateBucket | undefined;
  /** Before bytes are written. False when they may not pass: the pump stands still then, and the caller cuts. */
  readonly admit: (bytes: number) => boolean;
  /** Everything was written and nothing more comes. */
  readonly onEnd: () => void;
}

/**
 * Moves bytes from one stream to another. Not reading is the back-pressure: no more is kept here than one chunk of the source.
 * Neither stream is ended or destroyed. Returns what stops it.
 */
export function pump(options: PumpOptions): () => void {
  const running = new Pump(options);
  return () => running.stop();
}

/** An early timer costs nothing but a correction by the next slice. */
const TIMER_STEP_MS = 1;

class Pump {
  readonly #options: PumpOptions;
  #waiting: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #hasEnded = false;

  constructor(options: PumpOptions) {
    this.#options = options;
    options.source.on("data", this.#onData).on("end", this.#onEnd);
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#waiting = undefined;
    const { source, target } = this.#options;
    source.off("data", this.#onData).off("end", this.#onEnd);
    target.off("drain", this.#next);
  }

  readonly #onData = (chunk: Buffer): void => {
    const { bucket, source, target } = this.#options;
    if (bucket() !== undefined) {
      source.pause();
      this.#waiting = chunk;
      this.#next();
    } else if (!this.#options.admit(chunk.length)) source.pause();
    else if (!target.write(chunk)) {
      source.pause();
      target.once("drain", this.#next);
    }
  };

  /** A stream may say that it has ended while its last chunk still waits here. */
  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.#waiting === undefined) this.#finish();
  };

  #finish(): void {
    this.stop();
    this.#options.onEnd();
  }

  /** Books the next slice of what waits, or reads on when nothing does. */
  readonly #next = (): void => {
    while (!this.#isStopped) {
      const waiting = this.#waiting;
      if (waiting === undefined) {
        if (this.#hasEnded) this.#finish();
        else this.#options.source.resume();
        return;
      }
      const slice = waiting.subarray(0, SLICE_BYTES);
      const nowMs = performance.now();
      const delayMs = (this.#options.bucket()?.take(slice.length, nowMs) ?? nowMs) - nowMs;
      if (delayMs >= TIMER_STEP_MS) {
        this.#timer = setTimeout(() => this.#write(slice) && this.#next(), delayMs);
        return;
      }
      if (!this.#write(slice)) return;
    }
  };

  /** False when the target must drain first, or nothing may pass any more. */
  #write(slice: Buffer): boolean {
    if (!this.#options.admit(slice.length)) return false;
    const rest = this.#waiting?.subarray(slice.length);
    this.#waiting = rest === undefined || rest.length === 0 ? undefined : rest;
    if (this.#options.target.write(slice)) return true;
    this.#options.target.once("drain", this.#next);
    return false;
  }
}
