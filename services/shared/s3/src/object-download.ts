import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { DomainError } from "@skrei/domain";
import { ConnectionFailure } from "./connection-failure.ts";
import type { ObjectRef } from "./location.ts";
import { contentLength, readBody } from "./read-answer.ts";
import { connectionError } from "./s3-error.ts";

/** Bytes from `start` to `end`, both included; to the last one without `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number;
}

export interface ObjectInfo {
  /** Of the whole object, also when a range was asked for. */
  readonly sizeBytes: number;
  /** With its quotes, as `If-Match` takes it; "" when the server gives none. */
  readonly etag: string;
  /** Milliseconds since 1970; 0 when the server does not say. */
  readonly modifiedAtMs: number;
  readonly contentType: string;
  /** Where the bucket keeps versions. */
  readonly versionId?: string;
  /** Base64, if the server keeps it; of a multipart object it is one of parts and ends in `-N`. */
  readonly checksumSha256?: string;
}

export interface ObjectDownload extends Disposable {
  readonly info: ObjectInfo;
  /** Bytes that the body will have. */
  readonly bodyBytes: number;
  /** What has come over the connection so far, in no relation to the body's begin. */
  readonly connectionBytes: () => number;
  /** Once; no faster than it is read. Fails unless it is exactly `bodyBytes` long. */
  readonly body: AsyncIterable<Buffer>;
}

interface DownloadOptions {
  readonly ref: ObjectRef;
  readonly range: ByteRange | undefined;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** @throws DomainError corrupt/SOURCE_SIZE_MISMATCH when the answer is not what was asked for; the connection is then closed. */
export function openDownload(response: IncomingMessage, options: DownloadOptions): ObjectDownload {
  const { signal } = options;
  const close = (): void => {
    signal.removeEventListener("abort", close);
    if (!response.readableEnded) response.destroy();
  };
  // Also between the headers and the first piece that somebody takes.
  signal.addEventListener("abort", close);
  response.once("close", () => signal.removeEventListener("abort", close));
  try {
    const info = parseObjectInfo(response);
    const bodyBytes = contentLength(response);
    if (bodyBytes === undefined || !isRangeKept(response, options.range)) throw unasked(options.ref);
    const { socket } = response;
    const connectionBytes = (): number => socket.bytesRead;
    return { info, bodyBytes, connectionBytes, body: readObject(response, options), [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** What the headers say of the object. @throws DomainError corrupt/SOURCE_SIZE_MISMATCH when they give no size. */
export function parseObjectInfo(response: IncomingMessage): ObjectInfo {
  const { headers } = response;
  const sizeBytes = totalOf(headers["content-range"]) ?? contentLength(response);
  if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes))
    throw new DomainError("corrupt", "SOURCE_SIZE_MISMATCH", "The server does not say how large the object is.", {
      hint: "Check that the endpoint speaks S3.",
    });
  const versionId = versionOf(headers);
  const checksumSha256 = textHeader(headers, "x-amz-checksum-sha256");
  return {
    sizeBytes,
    etag: headers.etag ?? "",
    modifiedAtMs: parseTime(headers["last-modified"]),
    contentType: headers["content-type"] ?? "",
    ...(versionId === undefined ? {} : { versionId }),
    ...(checksumSha256 === undefined ? {} : { checksumSha256 }),
  };
}

/** Milliseconds since 1970; 0 when the text is none. */
export function parseTime(text = ""): number {
  return Date.parse(text) || 0;
}

function totalOf(contentRange = ""): number | undefined {
  const total = /\/(\d+)$/u.exec(contentRange)?.[1];
  return total === undefined ? undefined : Number(total);
}

/** A bucket that never kept versions says `null`. */
export function versionOf(headers: IncomingHttpHeaders): string | undefined {
  const versionId = textHeader(headers, "x-amz-version-id");
  return versionId === "null" ? undefined : versionId;
}

/** The header if it came once. */
function textHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

export function rangeHeader(range: ByteRange | undefined): Record<string, string> {
  return range === undefined ? {} : { range: `bytes=${range.start}-${range.end ?? ""}` };
}

async function* readObject(response: IncomingMessage, { ref, ...options }: DownloadOptions): AsyncGenerator<Buffer, void> {
  try {
    yield* readBody(response, options);
  } catch (error) {
    if (!(error instanceof ConnectionFailure)) throw error;
    throw connectionError({ ...ref, host: "the server" }, error, 1);
  }
}

/** A server may ignore the range and send everything, which would be taken for the part that was asked for. */
function isRangeKept({ statusCode, headers }: IncomingMessage, range: ByteRange | undefined): boolean {
  if (range === undefined) return statusCode === 200;
  return statusCode === 206 && (headers["content-range"] ?? "").startsWith(`bytes ${range.start}-`);
}

function unasked({ bucket, key }: ObjectRef): DomainError {
  const what = `The server did not send what was asked for of s3://${bucket}/${key.slice(0, 128)}.`;
  return new DomainError("corrupt", "SOURCE_SIZE_MISMATCH", what, { hint: "Check that the endpoint speaks S3 and keeps to ranges." });
}
