import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import type { S3Client } from "@skrei/s3/client.ts";
import type { ObjectDownload } from "@skrei/s3/object-download.ts";
import type { DagEntry } from "@skrei/unixfs/file-dag.ts";
import { retryDelayMs } from "../domain/http-retry.ts";
import type { Clock } from "../ports.ts";
import type { SpeedLimit } from "./http-body.ts";
import { LeafHasher } from "./leaf-hasher.ts";
import { readWithSpeed } from "./read-with-speed.ts";
import type { S3File } from "./s3-listing.ts";

export interface S3ObjectSettings extends SpeedLimit {
  readonly clock: Clock;
  readonly triesMax: number;
}

export interface S3ObjectTarget {
  /** Does not exist yet. */
  readonly path: string;
  /** Called with the bytes that came last, before they are kept. */
  readonly onPiece: (sizeBytes: number) => void;
  /** Lower-case hex that the object must have; empty for any. */
  readonly sha256: string;
  readonly signal: AbortSignal;
}

/** One object into one file, over as many tries as it takes; what has arrived stays, for the version is pinned by its ETag. */
export class S3Object {
  readonly #client: S3Client;
  readonly #file: S3File;
  readonly #target: S3ObjectTarget;
  readonly #leaves = new LeafHasher();
  readonly #hash = createHash("sha256");
  #bytesDone = 0;

  constructor(client: S3Client, file: S3File, target: S3ObjectTarget) {
    this.#client = client;
    this.#file = file;
    this.#target = target;
  }

  /** @throws DomainError as SourceAdapter.fetch, and SOURCE_CHANGED. */
  async fetch({ clock, triesMax, ...limit }: S3ObjectSettings): Promise<DagEntry> {
    await using file = await open(this.#target.path, "wx");
    for (let attempt = 1; this.#bytesDone < this.#file.sizeBytes; attempt++) {
      const hitch = await this.#try(file, limit);
      this.#target.signal.throwIfAborted();
      if (hitch === undefined) break;
      if (attempt >= triesMax) throw hitch;
      await clock.sleep(retryDelayMs(attempt + 1), this.#target.signal);
    }
    this.#checkDigest();
    return this.#leaves.end();
  }

  /** A body that broke is returned, for the rest may come; refusals are thrown, and so is a server that the client has tried often. */
  async #try(file: FileHandle, limit: SpeedLimit): Promise<DomainError | undefined> {
    const range = this.#bytesDone > 0 ? { range: { start: this.#bytesDone } } : {};
    const { signal } = this.#target;
    const ifMatch = this.#file.etag === "" ? {} : { ifMatch: this.#file.etag };
    using download = await this.#client.getObject(this.#file.ref, { ...range, ...ifMatch, isDiverted: true, signal });
    this.#checkVersion(download);
    try {
      for await (const piece of readWithSpeed(download, limit)) await this.#take(file, piece);
      return undefined;
    } catch (error) {
      if (error instanceof DomainError && error.reason === "SOURCE_UNREACHABLE" && isPassing(error)) return error;
      throw error;
    }
  }

  async #take(file: FileHandle, piece: Buffer): Promise<void> {
    this.#target.onPiece(piece.length);
    const writing = this.#keep(file, piece);
    if (this.#target.sha256 !== "") this.#hash.update(piece);
    this.#leaves.add(piece);
    await writing;
    this.#bytesDone += piece.length;
  }

  /** A full disk, which takes a part first, is no fault of the connection, so it must not look like one. */
  async #keep(file: FileHandle, piece: Buffer): Promise<void> {
    try {
      for (let at = 0; at < piece.length;) at += (await file.write(piece, at, piece.length - at, this.#bytesDone + at)).bytesWritten;
    } catch (cause) {
      throw new DomainError("exhausted", "CACHE_FULL", "The input cache could not write to its disk.", {
        hint: "Free space on the node's disk, or give the cache a smaller budget.",
        cause,
      });
    }
  }

  /** A server may ignore the ETag that it was asked for. */
  #checkVersion({ info, bodyBytes }: ObjectDownload): void {
    const { etag, sizeBytes, key } = this.#file;
    if (info.etag === etag && info.sizeBytes === sizeBytes && bodyBytes === sizeBytes - this.#bytesDone) return;
    throw new DomainError("precondition", "SOURCE_CHANGED", `The object ${key.slice(0, 256)} is not the one that was listed.`, {
      hint: "It was replaced since it was looked at; run the job again, or pin a version.",
      metadata: { etag: info.etag, listedEtag: etag },
    });
  }

  #checkDigest(): void {
    const { sha256 } = this.#target;
    if (sha256 === "") return;
    const found = this.#hash.digest("hex");
    if (found === sha256) return;
    throw new DomainError(
      "corrupt",
      "SOURCE_DIGEST_MISMATCH",
      `${this.#file.key.slice(0, 256)} has the digest sha256:${found}, not sha256:${sha256}.`,
      {
        hint: "The object changed or was damaged; correct the sha256 of the input if the change is wanted.",
      },
    );
  }
}

function isPassing({ kind }: DomainError): boolean {
  return kind === "unavailable" || kind === "timeout";
}
