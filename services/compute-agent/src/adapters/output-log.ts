import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { LIMITS } from "@skrei/domain";
import { admitOutput, lastLineOf } from "../domain/output-limit.ts";
import type { OutputLog, OutputStream } from "../ports.ts";
import { encodeFrame, readFrames, type FrameKind } from "./output-frames.ts";
import type { OutputProgress } from "./output-progress.ts";

/**
 * Writes one execution's output to its framed log, which is the truth, and to the raw files of the result folder. Survives a kill
 * at any point: opening cuts a torn tail off and brings the raw files in line with the log.
 */
export class OutputLogWriter implements OutputLog {
  readonly #files: Files;
  readonly #progress: OutputProgress;
  readonly #bytesMax: number;
  #errorTail = "";
  #last: Promise<void> = Promise.resolve();

  private constructor(files: Files, progress: OutputProgress, bytesMax: number) {
    this.#files = files;
    this.#progress = progress;
    this.#bytesMax = bytesMax;
  }

  /** `progress` is shared with readers, who may have come already. */
  static async open({ path, rawFolder, isFresh, progress, bytesMax = LIMITS.outputBytesMax }: OpenOptions): Promise<OutputLogWriter> {
    await using undo = new AsyncDisposableStack();
    const flags = isFresh ? "w+" : "a+";
    const log = undo.use(await open(path, flags, 0o600));
    const stdout = undo.use(await open(join(rawFolder, "stdout"), flags, 0o644));
    const stderr = undo.use(await open(join(rawFolder, "stderr"), flags, 0o644));
    const writer = new OutputLogWriter({ log, stdout, stderr }, progress, bytesMax);
    if (!isFresh) await writer.#recover();
    undo.move();
    return writer;
  }

  write(stream: OutputStream, data: Uint8Array, atMs: number): Promise<void> {
    const written = this.#last.then(() => this.#append(stream, data, atMs));
    this.#last = written;
    return written;
  }

  bytesTaken(stream: OutputStream): number {
    return this.#progress.bytes[stream];
  }

  lastErrorLine(): string {
    return lastLineOf(this.#errorTail);
  }

  async close(): Promise<void> {
    await this.#last;
    if (this.#progress.isEnded) return;
    this.#progress.end();
    for (const file of Object.values(this.#files)) await file.close();
  }

  async #append(stream: OutputStream, data: Uint8Array, atMs: number): Promise<void> {
    if (this.#progress.isTruncated || this.#progress.isEnded) return;
    const { keep, isTruncated } = admitOutput(data.length, { keptBytes: this.#progress.totalBytes, bytesMax: this.#bytesMax });
    try {
      for (let start = 0; start < keep; start += LIMITS.logChunkBytesMax) {
        await this.#appendFrame(stream, data.subarray(start, Math.min(keep, start + LIMITS.logChunkBytesMax)), atMs);
      }
      if (isTruncated) await this.#appendFrame("truncated", new Uint8Array(0), atMs);
    } catch {
      // A disk that takes no more must not stop the task; readers are told that output is missing.
      this.#progress.truncate();
    }
  }

  async #appendFrame(kind: FrameKind, data: Uint8Array, atMs: number): Promise<void> {
    const frame = encodeFrame(kind, atMs, data);
    await this.#files.log.appendFile(frame);
    if (kind !== "truncated") await this.#files[kind].appendFile(data);
    this.#take(kind, data, this.#progress.filePosition + frame.length);
  }

  #take(kind: FrameKind, data: Uint8Array, endPosition: number): void {
    if (kind === "stderr") this.#errorTail = (this.#errorTail + Buffer.from(data).toString("utf8")).slice(-ERROR_TAIL_LENGTH);
    this.#progress.take(kind, data.length, endPosition);
  }

  async #recover(): Promise<void> {
    const { log } = this.#files;
    const { size } = await log.stat();
    for await (const frame of readFrames(log, 0, size)) this.#take(frame.kind, frame.data, frame.endPosition);
    const end = this.#progress.filePosition;
    await log.truncate(end);
    for (const stream of ["stdout", "stderr"] as const) {
      if ((await this.#files[stream].stat()).size === this.#progress.bytes[stream]) continue;
      await this.#files[stream].truncate(0);
      for await (const { kind, data } of readFrames(log, 0, end)) if (kind === stream) await this.#files[stream].appendFile(data);
    }
  }
}

interface OpenOptions {
  readonly path: string;
  readonly rawFolder: string;
  readonly isFresh: boolean;
  readonly progress: OutputProgress;
  /** Both streams together. */
  readonly bytesMax?: number;
}

type Files = Readonly<Record<"log" | OutputStream, FileHandle>>;

const ERROR_TAIL_LENGTH = 1_024;
