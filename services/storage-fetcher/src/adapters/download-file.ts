import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import { asCacheFull } from "../domain/cache-full.ts";
import type { FetchTarget, Validators } from "../ports.ts";

/** The file that a download grows in, with the digest of what it has. What is known to be on the disk is kept for a later process. */
export class DownloadFile implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #partial: FetchTarget["partial"];
  #hash: Hash = createHash("sha256");
  #keptBytes = 0;
  #syncing: Promise<void> = Promise.resolve();
  #isSyncing = false;
  sizeBytes = 0;

  private constructor(file: FileHandle, partial: FetchTarget["partial"]) {
    this.#file = file;
    this.#partial = partial;
  }

  /** Goes on with what an earlier download left. */
  static async open({ path, partial, signal }: Pick<FetchTarget, "path" | "partial" | "signal">): Promise<DownloadFile> {
    const found = partial?.found;
    const download = new DownloadFile(await open(path, found === undefined ? "wx" : "r+"), partial);
    try {
      if (found !== undefined) await download.#readBack(found.sizeBytes, signal);
      return download;
    } catch (error) {
      await download[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `version` is undefined when the origin cannot prove what these bytes are of. */
  async append(piece: Buffer, version: Validators | undefined): Promise<void> {
    const writing = this.#write(piece);
    this.#hash.update(piece);
    await writing;
    this.sizeBytes += piece.length;
    if (version !== undefined && this.sizeBytes - this.#keptBytes >= KEEP_BYTES && !this.#isSyncing) this.#keep(version);
  }

  async restart(): Promise<void> {
    await this.#syncing;
    this.#partial?.drop();
    await this.#file.truncate(0);
    this.#hash = createHash("sha256");
    this.#keptBytes = 0;
    this.sizeBytes = 0;
  }

  /** Returns the digest of all of it, which is on the disk then. */
  async end(): Promise<string> {
    await this.#syncing;
    await this.#file.sync().catch((error: unknown) => {
      throw asCacheFull(error);
    });
    return this.#hash.digest("hex");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#syncing;
    await this.#file.close();
  }

  /** Until all of it is written, or the disk says why not: a full one takes a part first. */
  async #write(piece: Buffer): Promise<void> {
    try {
      for (let at = 0; at < piece.length;) at += (await this.#file.write(piece, at, piece.length - at, this.sizeBytes + at)).bytesWritten;
    } catch (error) {
      throw asCacheFull(error);
    }
  }

  /** Beside the download: it does not wait for the disk. */
  #keep(version: Validators): void {
    const sizeBytes = this.sizeBytes;
    this.#isSyncing = true;
    this.#syncing = this.#file
      .datasync()
      .then(() => {
        this.#partial?.keep(sizeBytes, version);
        this.#keptBytes = sizeBytes;
      })
      .catch(() => undefined) // The next write, or the end, hears of a disk that is full or broken.
      .finally(() => (this.#isSyncing = false));
  }

  async #readBack(sizeBytes: number, signal: AbortSignal): Promise<void> {
    await this.#file.truncate(sizeBytes);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    while (this.sizeBytes < sizeBytes) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.length, sizeBytes - this.sizeBytes), this.sizeBytes);
      if (bytesRead === 0)
        throw new DomainError("corrupt", "SOURCE_UNREACHABLE", "A half download was shortened on the disk.", {
          hint: "Run the job again.",
        });
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.sizeBytes += bytesRead;
    }
    this.#keptBytes = sizeBytes;
  }
}

const KEEP_BYTES = 8 * 1_048_576;
const READ_BYTES = 1_048_576;
