import { DomainError, type ErrorKind, type Reason } from "@skrei/domain";
import type { ConnectionFailure } from "./connection-failure.ts";
import { childText, parseXml } from "./xml.ts";

/** What a refused request was about, for messages. */
export interface RequestSubject {
  readonly bucket: string;
  readonly key: string | undefined;
  /** The server, as the `host` header names it. */
  readonly host: string;
}

/** What a server said about a failure; all of it is untrusted text of bounded length. */
export interface S3Refusal {
  readonly status: number;
  /** Such as `NoSuchKey`; "" when the answer had no body that is understood, as with HEAD. */
  readonly code: string;
  readonly message: string;
  readonly requestId: string;
  /** Where the bucket lives, if it said so. */
  readonly region: string;
  readonly retryAfterMs: number | undefined;
}

export interface RefusalHeaders {
  readonly "x-amz-bucket-region"?: string | string[];
  readonly "x-amz-request-id"?: string | string[];
  readonly "retry-after"?: string | string[] | undefined;
}

/** Reads the `<Error>` of an answer; what does not parse leaves only the status. */
export function parseRefusal(status: number, headers: RefusalHeaders, body: string, nowMs: number): S3Refusal {
  const said = errorElement(body);
  return {
    status,
    code: said("Code").replace(/[^A-Za-z0-9.]/gu, ""),
    message: said("Message"),
    requestId: headerText(headers["x-amz-request-id"]) || said("RequestId"),
    region: (headerText(headers["x-amz-bucket-region"]) || said("Region")).replace(/[^a-z0-9-]/giu, ""),
    retryAfterMs: parseRetryAfter(headerText(headers["retry-after"]), nowMs),
  };
}

/** The error for a caller: kind and reason by S3 code, or by status when there is none. */
export function toDomainError(refusal: S3Refusal, subject: RequestSubject): DomainError {
  const { status, code, region } = refusal;
  const { kind, reason, hint } = BY_CODE.get(code) ?? BY_STATUS.get(status) ?? byClass(status);
  const said = code === "" ? String(status) : `${status} ${code}`;
  const isElsewhere = region !== "" && [301, 307, 400].includes(status);
  return new DomainError(kind, reason, `${describe(subject)}: ${WORDS_BY_CODE.get(code) ?? "the server answered"} ${said}.`, {
    hint: isElsewhere ? `The bucket is in the region ${region}: set it, and an endpoint of that region.` : hint,
    metadata: filled({ status: String(status), s3Code: code, s3Message: refusal.message, s3RequestId: refusal.requestId, region }),
  });
}

function filled(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([, text]) => text !== ""));
}

/** A connection that failed for good, or an answer that makes no sense. */
export function connectionError(subject: RequestSubject, failure: ConnectionFailure, tries: number): DomainError {
  const after = tries > 1 ? ` in ${tries} tries` : "";
  return new DomainError(
    failure.isTimeout ? "timeout" : "unavailable",
    "SOURCE_UNREACHABLE",
    `${describe(subject)}: ${subject.host} gave no whole answer${after}: ${printable(failure.message)}.`,
    { hint: "Check that the node can reach the endpoint; then run the job again.", cause: failure },
  );
}

function describe({ bucket, key }: RequestSubject): string {
  return printable(key === undefined ? `s3://${bucket}` : `s3://${bucket}/${key}`);
}

/** Server text and keys reach terminals and logs: no control characters, no endless lines. */
function printable(text: string): string {
  return text.slice(0, TEXT_CHARS_MAX).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}

function errorElement(body: string): (name: string) => string {
  try {
    const root = parseXml(body.trim());
    if (root.name === "Error") return (name) => printable(childText(root, name));
  } catch {
    // Proxies answer in HTML; the status says enough.
  }
  return () => "";
}

function headerText(value: string | string[] | undefined): string {
  return printable((Array.isArray(value) ? value[0] : value) ?? "");
}

/** Seconds or an HTTP date, as milliseconds from now. */
function parseRetryAfter(text: string, nowMs: number): number | undefined {
  if (/^\d{1,9}$/u.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return text === "" || Number.isNaN(atMs) ? undefined : Math.max(atMs - nowMs, 0);
}

interface Verdict {
  readonly kind: ErrorKind;
  readonly reason: Reason;
  readonly hint: string;
}

function byClass(status: number): Verdict {
  if (status >= 500) return verdict("unavailable", "SOURCE_UNREACHABLE", "The server has a problem; try again later.");
  if (status >= 300 && status < 400)
    return verdict("invalid", "SOURCE_UNREACHABLE", "Redirects are not followed; use the endpoint and region where the bucket lives.");
  return verdict("invalid", "SOURCE_UNREACHABLE", "Check endpoint, region, bucket and key.");
}

function verdict(kind: ErrorKind, reason: Reason, hint: string): Verdict {
  return { kind, reason, hint };
}

const CHECK_KEY = "Check bucket, key and version; a key names exactly one object unless it ends in / or *.";
const CHECK_BUCKET = "Check the bucket's name, the endpoint and the region.";
const CHECK_ACCESS = "Let these credentials read (or write) it, or use others; without credentials the bucket must be public.";
const CHECK_SECRET = "Check access key, secret key and session token, and that they belong to this endpoint.";
const CHANGED = "The object was replaced since it was looked at; run the job again, or pin a version.";
const SLOW_DOWN = "The server asks for fewer requests; try again later.";
const DAMAGED = "What arrived is not what was sent; send it again.";

const missing = (hint: string): Verdict => verdict("notFound", "SOURCE_UNREACHABLE", hint);
const refused = verdict("forbidden", "SOURCE_ACCESS_DENIED", CHECK_ACCESS);
const unknownCaller = verdict("unauthenticated", "SOURCE_ACCESS_DENIED", CHECK_SECRET);
const busy = verdict("unavailable", "SOURCE_UNREACHABLE", SLOW_DOWN);
const damaged = verdict("corrupt", "SOURCE_DIGEST_MISMATCH", DAMAGED);

/** What the code alone does not tell everybody. */
const WORDS_BY_CODE: ReadonlyMap<string, string> = new Map([
  ["NoSuchBucket", "there is no such bucket: the server answered"],
  ["NoSuchKey", "there is no such object: the server answered"],
  ["NoSuchVersion", "there is no such version of the object: the server answered"],
  ["SignatureDoesNotMatch", "the secret key is wrong: the server answered"],
  ["InvalidAccessKeyId", "the access key is unknown: the server answered"],
]);

const BY_CODE = new Map<string, Verdict>(
  Object.entries({
    NoSuchKey: missing(CHECK_KEY),
    NoSuchVersion: missing(CHECK_KEY),
    NoSuchUpload: missing("The upload was aborted or has ended; start it again."),
    NoSuchBucket: missing(CHECK_BUCKET),
    AccessDenied: refused,
    AllAccessDisabled: refused,
    AccountProblem: refused,
    InvalidObjectState: verdict("precondition", "SOURCE_UNREACHABLE", "The object is archived; restore it first."),
    InvalidAccessKeyId: unknownCaller,
    SignatureDoesNotMatch: unknownCaller,
    AuthorizationHeaderMalformed: unknownCaller,
    InvalidToken: unknownCaller,
    ExpiredToken: unknownCaller,
    TokenRefreshRequired: unknownCaller,
    RequestTimeTooSkewed: verdict("precondition", "CLOCK_SKEW", "Set the clock of this machine; signatures are good for 15 minutes."),
    PreconditionFailed: verdict("precondition", "SOURCE_CHANGED", CHANGED),
    InvalidRange: verdict("invalid", "FIELD_INVALID", "The range begins behind the end of the object."),
    SlowDown: busy,
    ServiceUnavailable: busy,
    BadDigest: damaged,
    XAmzContentSHA256Mismatch: damaged,
    XAmzContentChecksumMismatch: damaged,
    QuotaExceeded: verdict("exhausted", "STORE_FULL", "Free space, or raise the quota of the bucket or its owner."),
  }),
);

const BY_STATUS = new Map<number, Verdict>(
  Object.entries({
    401: unknownCaller,
    403: refused,
    404: missing(CHECK_KEY),
    405: refused,
    408: verdict("timeout", "SOURCE_UNREACHABLE", SLOW_DOWN),
    409: verdict("conflict", "SOURCE_UNREACHABLE", "Somebody else works on the same object; try again."),
    412: verdict("precondition", "SOURCE_CHANGED", CHANGED),
    416: verdict("invalid", "FIELD_INVALID", "The range begins behind the end of the object."),
    429: busy,
    503: busy,
  }).map(([status, found]) => [Number(status), found]),
);

const TEXT_CHARS_MAX = 300;
