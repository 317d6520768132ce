import { mkdirSync } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, type ExecutionId } from "@skrei/domain";
import type { LogChunk, LogQuery, OutputLog, OutputLogs } from "../ports.ts";
import { readFrames } from "./output-frames.ts";
import { OutputLogWriter } from "./output-log.ts";
import { OutputProgress } from "./output-progress.ts";

/** The logs of all executions as files of one folder. */
export class OutputLogFolder implements OutputLogs {
  readonly #folder: string;
  readonly #bytesMax: number | undefined;
  readonly #live = new Map<ExecutionId, OutputProgress>();

  constructor(folder: string, options: { readonly bytesMax?: number } = {}) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#bytesMax = options.bytesMax;
  }

  expect(executionId: ExecutionId): void {
    if (!this.#live.has(executionId)) this.#live.set(executionId, new OutputProgress());
  }

  end(executionId: ExecutionId): void {
    this.#live.get(executionId)?.end();
  }

  async open(executionId: ExecutionId, options: { readonly rawFolder: string; readonly isFresh: boolean }): Promise<OutputLog> {
    const expected = this.#live.get(executionId);
    const isUnused = expected !== undefined && expected.filePosition === 0 && !expected.isEnded;
    if (!isUnused) expected?.end();
    const progress = isUnused ? expected : new OutputProgress();
    this.#live.set(executionId, progress);
    try {
      const path = this.#pathOf(executionId);
      return await OutputLogWriter.open({ path, progress, ...options, ...(this.#bytesMax !== undefined && { bytesMax: this.#bytesMax }) });
    } catch (error) {
      progress.end();
      throw error;
    }
  }

  async *read({ executionId, fromOffset, tailBytes, isFollowing }: LogQuery, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const progress = this.#live.get(executionId) ?? (await this.#progressOf(executionId));
    const start = tailBytes > 0 ? Math.max(0, progress.totalBytes - tailBytes) : fromOffset;
    // The file is there as soon as there is something in it.
    if (isFollowing) await progress.moreThan(0, signal);
    const cursor = { start, ...progress.markBefore(start) };
    if (progress.filePosition > 0) {
      await using file = await open(this.#pathOf(executionId), "r");
      for (;;) {
        const end = progress.filePosition;
        yield* readChunks(file, cursor, end);
        signal.throwIfAborted();
        if (!isFollowing || (progress.isEnded && end === progress.filePosition)) break;
        await progress.moreThan(end, signal);
      }
    }
    const nextOffset = Math.max(cursor.offset, start);
    yield { stream: "stdout", data: new Uint8Array(0), nextOffset, atMs: 0, isEnd: true, isTruncated: progress.isTruncated };
  }

  async forget(executionId: ExecutionId): Promise<void> {
    this.#live.get(executionId)?.end();
    this.#live.delete(executionId);
    await rm(this.#pathOf(executionId), { force: true });
  }

  /** Of a log that nobody writes to any more. */
  async #progressOf(executionId: ExecutionId): Promise<OutputProgress> {
    const progress = new OutputProgress();
    try {
      await using file = await open(this.#pathOf(executionId), "r");
      for await (const frame of readFrames(file, 0, (await file.stat()).size))
        progress.take(frame.kind, frame.data.length, frame.endPosition);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new DomainError("notFound", "EXECUTION_NOT_FOUND", `this node has no output of ${executionId}`, { cause: error });
    }
    progress.end();
    return progress;
  }

  #pathOf(executionId: ExecutionId): string {
    return join(this.#folder, `${executionId}.log`);
  }
}

/** Where a reader is: the frame at `position` begins at `offset`; nothing before `start` is wanted. */
interface Cursor {
  readonly start: number;
  offset: number;
  position: number;
}

async function* readChunks(file: FileHandle, cursor: Cursor, end: number): AsyncGenerator<LogChunk> {
  for await (const { kind, atMs, data, endPosition } of readFrames(file, cursor.position, end)) {
    const wanted = data.subarray(Math.max(0, cursor.start - cursor.offset));
    cursor.offset += data.length;
    cursor.position = endPosition;
    if (wanted.length === 0 || kind === "truncated") continue;
    yield { stream: kind, data: wanted, nextOffset: cursor.offset, atMs, isEnd: false, isTruncated: false };
  }
}
