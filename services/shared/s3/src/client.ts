import type { IncomingMessage } from "node:http";
import { DomainError } from "@skrei/domain";
import { systemClock } from "@skrei/platform/clock.ts";
import { abortUploads, type UnfinishedUploads } from "./abort-uploads.ts";
import { createEndpoint, type EndpointOptions } from "./endpoint.ts";
import type { ObjectBody } from "./exchange.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { type ListedObject, listObjects, type ListOptions } from "./list-objects.ts";
import type { ObjectRef } from "./location.ts";
import {
  type ObjectDownload,
  openDownload,
  parseObjectInfo,
  type ObjectInfo,
  rangeHeader,
  versionOf,
  type ByteRange,
} from "./object-download.ts";
import { payloadHashOf } from "./payload-hash.ts";
import { type RequestSettings, type S3Request, S3Requests } from "./requests.ts";
import { presignQuery, type S3Credentials } from "./sign-v4.ts";
import { createTransport, type TransportOptions } from "./transport.ts";
import { type PutOptions, type StoredObject, uploadObject, type UploadOptions } from "./upload-object.ts";

export interface S3ClientOptions extends EndpointOptions, TransportOptions {
  /** Without them requests are anonymous, as public buckets allow. */
  readonly credentials?: S3Credentials;
  /** Tries of one request, the first among them. Default 4. */
  readonly triesMax?: number;
  /** Longest silence before the headers of an answer. Default 30 s. */
  readonly answerTimeoutMs?: number;
  /** Longest silence inside of a body while somebody waits for it. Default 60 s. */
  readonly idleTimeoutMs?: number;
  readonly clock?: RequestSettings["clock"];
  /** In [0, 1), for the jitter of repetitions. */
  readonly random?: () => number;
}

export interface ReadOptions {
  /** Only this version: fails with SOURCE_CHANGED when the ETag is another. */
  readonly ifMatch?: string;
  readonly signal: AbortSignal;
}

export interface GetOptions extends ReadOptions {
  readonly range?: ByteRange;
  /** A large body comes in buffers that are used again, for less CPU and memory: a piece is valid until the next is asked for. Default: false. */
  readonly isDiverted?: boolean;
}

/**
 * One S3-compatible server. Safe for concurrent use. Reads, listings, parts and whole objects are repeated on failures that pass;
 * a body that breaks while it is read is not, for only the caller knows what it has kept (`range` and `ifMatch` continue it).
 * Every method throws DomainError: notFound, forbidden/SOURCE_ACCESS_DENIED, unauthenticated/SOURCE_ACCESS_DENIED,
 * precondition/SOURCE_CHANGED, precondition/CLOCK_SKEW, unavailable or timeout/SOURCE_UNREACHABLE, invalid; what the address policy
 * throws; and the signal's reason. Redirects are never followed.
 */
export interface S3Client extends Disposable {
  headObject(ref: ObjectRef, options: ReadOptions): Promise<ObjectInfo>;
  /** Dispose of it unless its body is read to the end. */
  getObject(ref: ObjectRef, options: GetOptions): Promise<ObjectDownload>;
  /** All pages, fetched as they are taken. */
  listObjects(options: ListOptions): AsyncIterable<ListedObject>;
  /** In one request, so at most 5 GiB. Over plain HTTP a body that is not in memory is read twice, unless `sha256` (hex) is given. */
  putObject(ref: ObjectRef, body: Uint8Array | ObjectBody, options: PutOptions & { readonly sha256?: string }): Promise<StoredObject>;
  /** A stream of any length, in about 48 MiB of memory; see upload-object.ts. */
  uploadObject(ref: ObjectRef, stream: AsyncIterable<Uint8Array>, options: UploadOptions): Promise<StoredObject>;
  /** Removes what an upload left whose end nobody saw; see abort-uploads.ts. */
  abortUploads(uploads: UnfinishedUploads): Promise<number>;
  /** Succeeds when there is no such object, as S3 does. */
  deleteObject(ref: ObjectRef, options: { readonly signal: AbortSignal }): Promise<void>;
  /** A link that reads the object until it expires, at most 7 days from now. @throws DomainError precondition without credentials. */
  presignGet(ref: ObjectRef, options: { readonly expiresInS: number }): string;
}

/** Opens no connection by itself; disposing closes the idle ones. @throws DomainError invalid/FIELD_INVALID. */
export function createS3Client(options: S3ClientOptions): S3Client {
  const settings: RequestSettings = {
    endpoint: createEndpoint(options),
    transport: createTransport(options),
    credentials: options.credentials,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    triesMax: options.triesMax ?? 4,
    answerTimeoutMs: options.answerTimeoutMs ?? 30_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
  };
  const requests = new S3Requests(settings);
  const put = putObjectWith(requests);
  return {
    headObject: async (ref, { ifMatch, signal }) => {
      const headers = { "x-amz-checksum-mode": "ENABLED", ...match(ifMatch) };
      const request: S3Request = { method: "HEAD", ...whereIs(ref), headers, safety: "repeatable", signal };
      try {
        return parseObjectInfo(await requests.sendForHeaders(request));
      } catch (refusal) {
        throw await explainRefusal(requests, request, refusal);
      }
    },
    getObject: async (ref, { ifMatch, range, isDiverted = false, signal }) => {
      const headers = { "accept-encoding": "identity", ...match(ifMatch), ...rangeHeader(range) };
      const response = await requests.send({ method: "GET", ...whereIs(ref), headers, safety: "repeatable", isDiverted, signal });
      return openDownload(response, { ref, range, idleTimeoutMs: settings.idleTimeoutMs, signal });
    },
    listObjects: (list) => listObjects(requests, list),
    putObject: put,
    uploadObject: async (ref, stream, upload) =>
      await uploadObject({ requests, ref, putWhole: (bytes) => put(ref, bytes, upload) }, stream, upload),
    abortUploads: async (uploads) => await abortUploads(requests, uploads),
    deleteObject: async (ref, { signal }) => {
      await requests.sendForHeaders({ method: "DELETE", ...whereIs(ref), safety: "once", signal });
    },
    presignGet: (ref, { expiresInS }) => presign(settings, ref, expiresInS),
    [Symbol.dispose]: () => settings.transport[Symbol.dispose](),
  };
}

function putObjectWith(requests: S3Requests): S3Client["putObject"] {
  return async (ref, body, options) => {
    const { contentType = "application/octet-stream", checksum = false, signal } = options;
    const sha256 = options.sha256 ?? (checksum ? await payloadHashOf(body) : undefined);
    const kept = checksum && sha256 !== undefined ? { "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64") } : {};
    const known = sha256 === undefined ? {} : { sha256 };
    const headers = { "content-type": contentType, ...kept };
    const request: S3Request = { method: "PUT", ...whereIs(ref), headers, body, ...known, safety: "repeatable", signal };
    return storedObject(await requests.sendForHeaders(request), body);
  };
}

function storedObject({ headers }: IncomingMessage, body: Uint8Array | ObjectBody): StoredObject {
  const versionId = versionOf(headers);
  return {
    etag: headers.etag ?? "",
    sizeBytes: body instanceof Uint8Array ? body.length : body.sizeBytes,
    ...(versionId === undefined ? {} : { versionId }),
  };
}

function presign({ endpoint, credentials, clock }: RequestSettings, ref: ObjectRef, expiresInS: number): string {
  if (credentials === undefined)
    throw new DomainError("precondition", "SOURCE_ACCESS_DENIED", "Nothing can be presigned without credentials.", {
      hint: "Configure credentials, or use the object's plain URL if its bucket is public.",
    });
  if (!Number.isInteger(expiresInS) || expiresInS < 1 || expiresInS > PRESIGN_S_MAX)
    throw new DomainError("invalid", "FIELD_INVALID", `A link cannot be good for ${expiresInS} s.`, {
      hint: `Choose whole seconds from 1 to ${PRESIGN_S_MAX}.`,
    });
  const { bucket, key, query } = whereIs(ref);
  const { isTls, host, path } = endpoint.target(bucket, key);
  const search = presignQuery(
    { method: "GET", path, query, host, expiresInS },
    { credentials, region: endpoint.region, nowMs: clock.nowMs() },
  );
  return `${isTls ? "https" : "http"}://${host}${path}?${search}`;
}

function whereIs({ bucket, key, versionId }: ObjectRef): { bucket: string; key: string; query: Record<string, string> } {
  return { bucket, key, query: versionId === undefined ? {} : { versionId } };
}

function match(etag: string | undefined): Record<string, string> {
  return etag === undefined ? {} : { "if-match": etag };
}

/** As S3 limits it: 7 days. */
const PRESIGN_S_MAX = 604_800;
