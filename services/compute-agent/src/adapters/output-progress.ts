import type { OutputStream } from "../ports.ts";
import type { FrameKind } from "./output-frames.ts";

/** How far a log has come; shared by its writer and all its readers. Offsets count bytes of output of both streams. */
export class OutputProgress {
  readonly bytes: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  /** End of the last whole frame in the file. */
  filePosition = 0;
  isTruncated = false;
  isEnded = false;
  readonly #marks: Mark[] = [{ offset: 0, position: 0 }];
  readonly #waiting = new Set<() => void>();

  get totalBytes(): number {
    return this.bytes.stdout + this.bytes.stderr;
  }

  take(kind: FrameKind, length: number, endPosition: number): void {
    this.filePosition = endPosition;
    if (kind === "truncated") this.isTruncated = true;
    else this.bytes[kind] += length;
    const last = this.#marks.at(-1);
    if (last === undefined || endPosition - last.position >= MARK_EVERY_BYTES)
      this.#marks.push({ offset: this.totalBytes, position: endPosition });
    this.#wake();
  }

  truncate(): void {
    this.isTruncated = true;
  }

  end(): void {
    this.isEnded = true;
    this.#wake();
  }

  /** A place in the file at or before an offset of output, at most MARK_EVERY_BYTES and a frame away from it. */
  markBefore(offset: number): Mark {
    return this.#marks.findLast((mark) => mark.offset <= offset) ?? { offset: 0, position: 0 };
  }

  /** Resolves when there is more than `position`, or the end; rejects when the reader leaves. */
  async moreThan(position: number, signal: AbortSignal): Promise<void> {
    while (this.filePosition <= position && !this.isEnded) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      this.#waiting.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}

export interface Mark {
  readonly offset: number;
  readonly position: number;
}

const MARK_EVERY_BYTES = 1_024 * 1_024;
