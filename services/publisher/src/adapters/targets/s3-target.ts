import type { Transform } from "node:stream";
import { createGzip, createZstdCompress } from "node:zlib";
import { DomainError, type ErrorKind, type ResultEncoding, type S3Target } from "@skrei/domain";
import { createS3Client, type S3Client, type S3ClientOptions } from "@skrei/s3/client.ts";
import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import { fillTargetName } from "../../domain/target-name.ts";
import type { Delivery, TargetPort } from "../../ports.ts";
import { countingLoad } from "./counting-load.ts";
import { packCar } from "./pack-car.ts";
import { packTar } from "./pack-tar.ts";
import { asTargetError } from "./s3-target-error.ts";
import { releaseBytes } from "./release-bytes.ts";
import { uploadFiles } from "./upload-files.ts";
import { badName, notOffered } from "./target-errors.ts";
import { treeEntries } from "./tree-entries.ts";

export interface S3TargetOptions {
  /** Empty: AWS. */
  readonly endpoint: string;
  /** Empty: `us-east-1`. */
  readonly region: string;
  /** Undefined: results do not go to S3. */
  readonly credentials: NonNullable<S3ClientOptions["credentials"]> | undefined;
  /** `*` is all. */
  readonly buckets: readonly string[];
  /** Longest silence of the server. */
  readonly timeoutMs: number;
  /** Told of uploads that failed and could not be removed. */
  readonly onLeftover: (leftover: { readonly uploadId: string; readonly cause: unknown }) => void;
  readonly load: LoadBlock;
}

/** Objects of the S3-compatible server that the operator has credentials for. */
export class S3TargetAdapter implements TargetPort<S3Target> {
  readonly #options: S3TargetOptions;

  constructor(options: S3TargetOptions) {
    this.#options = options;
  }

  check({ bucket, endpoint }: S3Target): void {
    const { credentials, buckets } = this.#options;
    if (credentials === undefined)
      throw notOffered("The node does not publish to S3: it has no credentials.", "The operator sets s3AccessKeyId and s3SecretAccessKey.");
    if (endpoint !== "" && withoutSlash(endpoint) !== withoutSlash(this.#options.endpoint)) {
      throw notOffered(
        `The node does not publish to the S3 server ${endpoint.slice(0, 128)}: its credentials are for another one.`,
        "Leave the endpoint out to use the node's; the operator sets s3Endpoint.",
      );
    }
    if (!buckets.includes("*") && !buckets.includes(bucket))
      throw notOffered(`The node does not publish to the bucket ${bucket.slice(0, 128)}.`, "The operator lists it in s3Buckets.");
  }

  async deliver({ target, result, onProgress }: Delivery<S3Target>, signal: AbortSignal): Promise<string> {
    this.check(target);
    const { bucket, encoding } = target;
    const name = fillTargetName(target.key, result);
    if (name === undefined || name.startsWith("/")) throw badName(target.key);
    const key = withEnding(name, encoding);
    using client = this.#client(target);
    const context = { client, bucket, key, result, onProgress, onLeftover: this.#options.onLeftover, signal };
    try {
      await dropLeftovers(context);
      const load = this.#options.load;
      if (encoding === "files") await uploadFiles(treeEntries(load, result.cid), context);
      else await uploadArchive(this.#pack(encoding, result, onProgress), encoding, context);
    } catch (error) {
      signal.throwIfAborted();
      throw asTargetError(error, bucket);
    }
    return `s3://${bucket}/${key}`;
  }

  #client({ region }: S3Target): S3Client {
    const { credentials, endpoint, region: usual, timeoutMs } = this.#options;
    return createS3Client({
      ...(credentials !== undefined && { credentials }),
      ...(endpoint !== "" && { endpoint }),
      region: region || usual || "us-east-1",
      answerTimeoutMs: timeoutMs,
      idleTimeoutMs: timeoutMs,
    });
  }

  #pack(encoding: Archive, { cid, endedAtMs }: Delivery["result"], onProgress: Delivery["onProgress"]): AsyncIterable<Uint8Array> {
    const load = countingLoad(this.#options.load, onProgress);
    if (encoding === "car") return packCar(load, cid);
    const tar = packTar(treeEntries(load, cid), endedAtMs);
    return compressed(tar, encoding === "tar.gz" ? createGzip({ chunkSize: CHUNK_BYTES }) : createZstdCompress({ chunkSize: CHUNK_BYTES }));
  }
}

type Archive = Exclude<ResultEncoding, "files">;

interface UploadContext {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly result: Delivery["result"];
  readonly onLeftover: S3TargetOptions["onLeftover"];
  readonly signal: AbortSignal;
}

/** Of a try that ended in a crash, here or there. A name without the execution's id may be another's, whose upload goes on. */
async function dropLeftovers({ client, bucket, key, result, signal }: UploadContext): Promise<void> {
  if (!key.includes(result.executionId)) return;
  try {
    await client.abortUploads({ bucket, prefix: key, signal });
  } catch (error) {
    // Some may write and not list; those have a lifecycle rule.
    if (!(error instanceof DomainError) || !TOLERATED.has(error.kind)) throw error;
  }
}

const TOLERATED: ReadonlySet<ErrorKind> = new Set<ErrorKind>(["forbidden", "invalid"]);

async function uploadArchive(stream: AsyncIterable<Uint8Array>, encoding: Archive, context: UploadContext): Promise<void> {
  const { client, bucket, key, result, onLeftover, signal } = context;
  // Headers, checksums and bytes that do not get smaller come on top.
  const sizeBytesHint = Math.ceil(result.sizeBytes * 1.05) + 1_048_576;
  await client.uploadObject({ bucket, key }, stream, {
    contentType: CONTENT_TYPES[encoding],
    checksum: true,
    sizeBytesHint,
    onLeftover,
    signal,
  });
}

async function* compressed(pieces: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array> {
  const feeding = feed(pieces, transform);
  // Whoever reads the transform is told by it.
  feeding.catch((error: unknown) => transform.destroy(error as Error));
  try {
    for await (const chunk of transform as AsyncIterable<Uint8Array>) {
      yield chunk;
      if (isLastOfItsBuffer(chunk, transform)) (chunk.buffer as ArrayBuffer).transfer(0);
    }
  } finally {
    transform.destroy();
    await feeding.catch(() => undefined);
  }
}

/**
 * The compressor has gone on to another buffer. Its buffers are what no collection is made for while an upload waits: 500 MB of 512.
 * Where it does not say which one it uses, they are left to the collector.
 */
function isLastOfItsBuffer({ buffer, byteOffset, byteLength }: Uint8Array, transform: Transform): boolean {
  const inUse: unknown = Reflect.get(transform, "_outBuffer");
  const isOver = inUse instanceof Uint8Array && inUse.buffer !== buffer;
  return isOver && byteLength > 0 && byteOffset + byteLength === buffer.byteLength && buffer.byteLength === CHUNK_BYTES;
}

async function feed(pieces: AsyncIterable<Uint8Array>, transform: Transform): Promise<void> {
  for await (const piece of pieces) {
    await new Promise<void>((taken, reject) => transform.write(piece, (error) => (error instanceof Error ? reject(error) : taken())));
    releaseBytes(piece);
  }
  transform.end();
}

function withEnding(name: string, encoding: ResultEncoding): string {
  if (encoding === "files") return name.endsWith("/") ? name : `${name}/`;
  const whole = name.replace(/\/$/u, "");
  return whole.endsWith(`.${encoding}`) ? whole : `${whole}.${encoding}`;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/u, "").toLowerCase();
}

const CHUNK_BYTES = 262_144;
const CONTENT_TYPES = { "tar.gz": "application/gzip", "tar.zst": "application/zstd", car: "application/vnd.ipld.car; version=1" } as const;
