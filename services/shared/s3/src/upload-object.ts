import { createHash } from "node:crypto";
import { DomainError } from "@skrei/domain";
import type { ObjectRef } from "./location.ts";
import { PartCutter } from "./part-cutter.ts";
import type { S3Request, S3Requests } from "./requests.ts";
import { childText, escapeXml } from "./xml.ts";

export interface PutOptions {
  /** Default: `application/octet-stream`. */
  readonly contentType?: string;
  /** The server keeps and checks `x-amz-checksum-sha256`. Default no: not every S3 server knows it. */
  readonly checksum?: boolean;
  readonly signal: AbortSignal;
}

export interface UploadOptions extends PutOptions {
  /** What the stream will have, if known: huge objects need larger parts. */
  readonly sizeBytesHint?: number;
  /** Told when an upload failed and could not be removed; its parts cost room until somebody aborts it. */
  readonly onLeftover?: (leftover: { readonly uploadId: string; readonly cause: unknown }) => void;
}

export interface StoredObject {
  /** With its quotes; "" when the server does not say, as RGW 16 at the end of an upload in parts. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** Where the bucket keeps versions. */
  readonly versionId?: string;
}

/** How small objects go: in one request. */
export type PutWhole = (bytes: Uint8Array) => Promise<StoredObject>;

/**
 * Stores a stream of any length: in one request when it fits into one part, else in parts of 8 MiB, four at once, so that it takes
 * about 48 MiB of memory whatever its size. Pieces are copied, so the stream may use its buffer again for the next one; streams that
 * make a new one for each piece leave hundreds of MiB to the garbage collector. Nothing is visible before the end; on failure the upload is aborted.
 * @throws DomainError as the client's; what the stream throws; the signal's reason.
 */
export async function uploadObject(
  { requests, ref, putWhole }: { readonly requests: S3Requests; readonly ref: ObjectRef; readonly putWhole: PutWhole },
  stream: AsyncIterable<Uint8Array>,
  options: UploadOptions,
): Promise<StoredObject> {
  // A part that fails ends the others, and the wait for more of the stream.
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const cutter = new PartCutter(partSize(options.sizeBytesHint));
  const parts = cutter.cut(stream, signal);
  try {
    const first = await parts.next();
    const second = await parts.next();
    if (second.done === true) return await putWhole(first.value ?? new Uint8Array());
    const upload = await MultipartUpload.start(requests, ref, { ...options, signal, failure, cutter });
    return await upload.run([first.value ?? new Uint8Array(), second.value], parts);
  } finally {
    await parts.return(undefined);
  }
}

interface RunningOptions extends UploadOptions {
  /** Aborts `signal`. */
  readonly failure: AbortController;
  /** Takes parts back. */
  readonly cutter: PartCutter;
}

class MultipartUpload {
  readonly #requests: S3Requests;
  readonly #ref: ObjectRef;
  readonly #options: RunningOptions;
  readonly #uploadId: string;
  readonly #done: PartRecord[] = [];
  #parts = 0;
  #sizeBytes = 0;

  static async start(requests: S3Requests, ref: ObjectRef, options: RunningOptions): Promise<MultipartUpload> {
    const { contentType = "application/octet-stream", checksum = false } = options;
    const headers = { "content-type": contentType, ...(checksum ? { "x-amz-checksum-algorithm": "SHA256" } : {}) };
    // Not ended by the caller's signal: without its id an upload that has begun cannot be removed.
    const signal = AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS);
    const root = await requests.sendForXml({ method: "POST", ...subject(ref), query: { uploads: "" }, headers, safety: "once", signal });
    const uploadId = childText(root, "UploadId");
    if (uploadId === "") throw unusable(ref, "it began an upload without an id");
    return new MultipartUpload({ requests, ref, options, uploadId });
  }

  private constructor(given: {
    readonly requests: S3Requests;
    readonly ref: ObjectRef;
    readonly options: RunningOptions;
    readonly uploadId: string;
  }) {
    this.#requests = given.requests;
    this.#ref = given.ref;
    this.#options = given.options;
    this.#uploadId = given.uploadId;
  }

  async run(first: readonly Uint8Array[], rest: AsyncIterable<Uint8Array>): Promise<StoredObject> {
    const inFlight = new Set<Promise<void>>();
    try {
      const add = async (part: Uint8Array): Promise<void> => {
        const sending: Promise<void> = this.#sendPart(part).finally(() => inFlight.delete(sending));
        sending.catch((error: unknown) => this.#options.failure.abort(error));
        inFlight.add(sending);
        if (inFlight.size >= PARTS_AT_ONCE) await Promise.race(inFlight);
        this.#options.signal.throwIfAborted();
      };
      for (const part of first) await add(part);
      for await (const part of rest) await add(part);
      await Promise.all(inFlight);
      return await this.#complete();
    } catch (error) {
      this.#options.failure.abort(error);
      await Promise.allSettled(inFlight);
      await this.#abort();
      throw error;
    }
  }

  async #sendPart(body: Uint8Array): Promise<void> {
    const partNumber = ++this.#parts;
    if (partNumber > PARTS_MAX) throw tooLarge(this.#ref, this.#sizeBytes);
    this.#sizeBytes += body.length;
    const checksum = this.#options.checksum === true ? createHash("sha256").update(body).digest() : undefined;
    const response = await this.#requests.sendForHeaders({
      ...this.#request("PUT", { partNumber: String(partNumber) }),
      body,
      ...(checksum === undefined
        ? {}
        : { sha256: checksum.toString("hex"), headers: { "x-amz-checksum-sha256": checksum.toString("base64") } }),
      safety: "repeatable",
      signal: this.#options.signal,
    });
    const { etag = "" } = response.headers;
    if (etag === "") throw unusable(this.#ref, "it took a part without giving its ETag");
    this.#options.cutter.recycle(body);
    this.#done.push({ partNumber, etag, checksum: checksum?.toString("base64") });
  }

  async #complete(): Promise<StoredObject> {
    const list = this.#done.toSorted((one, other) => one.partNumber - other.partNumber).map(partXml);
    const body = Buffer.from(`<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`);
    const root = await this.#requests.sendForXml({ ...this.#request("POST", {}), body, safety: "once", signal: this.#options.signal });
    // The status is sent before the work is done, so a failure can come with 200.
    if (root.name !== "CompleteMultipartUploadResult")
      throw unusable(this.#ref, `it ended the upload with ${childText(root, "Code").slice(0, 64)}`);
    return { etag: childText(root, "ETag"), sizeBytes: this.#sizeBytes };
  }

  /** With a bound of its own, for the caller's signal may be what ended the upload. */
  async #abort(): Promise<void> {
    try {
      const request = this.#request("DELETE", {});
      await this.#requests.sendForHeaders({ ...request, safety: "repeatable", signal: AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS) });
    } catch (cause) {
      if (cause instanceof DomainError && cause.kind === "notFound") return;
      this.#options.onLeftover?.({ uploadId: this.#uploadId, cause });
    }
  }

  #request(method: "PUT" | "POST" | "DELETE", query: Record<string, string>): Pick<S3Request, "method" | "bucket" | "key" | "query"> {
    return { method, ...subject(this.#ref), query: { ...query, uploadId: this.#uploadId } };
  }
}

interface PartRecord {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksum: string | undefined;
}

function partXml({ partNumber, etag, checksum }: PartRecord): string {
  const sum = checksum === undefined ? "" : `<ChecksumSHA256>${checksum}</ChecksumSHA256>`;
  return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(etag)}</ETag>${sum}</Part>`;
}

function partSize(sizeBytesHint = 0): number {
  const needed = Math.ceil(sizeBytesHint / PARTS_MAX / PART_BYTES) * PART_BYTES;
  return Math.max(PART_BYTES, needed);
}

function subject({ bucket, key }: ObjectRef): { readonly bucket: string; readonly key: string } {
  return { bucket, key };
}

function tooLarge({ bucket }: ObjectRef, sizeBytes: number): DomainError {
  return new DomainError(
    "invalid",
    "RESULT_TOO_LARGE",
    `An object for s3://${bucket} has more than ${sizeBytes} bytes in ${PARTS_MAX} parts.`,
    {
      hint: "Say its size beforehand, so that the parts can be larger.",
    },
  );
}

function unusable({ bucket }: ObjectRef, what: string): DomainError {
  return new DomainError("unavailable", "SOURCE_UNREACHABLE", `The server of s3://${bucket} did not store the object: ${what}.`, {
    hint: "Try again; if it stays so, check that the endpoint speaks S3.",
  });
}

const PART_BYTES = 8 * 1_048_576;
const PARTS_AT_ONCE = 4;
/** As S3 limits it. */
const PARTS_MAX = 10_000;
const CLEAN_UP_TIMEOUT_MS = 20_000;
