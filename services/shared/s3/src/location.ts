import { DomainError } from "@skrei/domain";

/** One object, or one version of it. */
export interface ObjectRef {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string;
}

/** What an input's key asks for. */
export type KeySelection =
  | { readonly kind: "object"; readonly key: string }
  /** All keys that begin so; "" is the whole bucket. */
  | { readonly kind: "prefix"; readonly prefix: string };

/**
 * Bucket and key of `s3://bucket/key`. The key is what stands there, as the AWS command line has it: nothing is percent-decoded, and
 * `?` and `#` are letters like others. An empty key means the whole bucket.
 * @throws DomainError invalid/FIELD_INVALID.
 */
export function parseS3Location(text: string): { readonly bucket: string; readonly key: string } {
  const match = /^s3:\/\/([^/]*)\/?(.*)$/isu.exec(text);
  if (match === null) throw invalid(`"${text.slice(0, 128)}" is not an S3 location`, "Write s3://bucket/key.");
  const [, bucket = "", key = ""] = match;
  checkBucket(bucket);
  if (key !== "") checkKey(key);
  return { bucket, key };
}

/** A key that ends in `/` is a folder, one that ends in `*` a prefix, an empty one the bucket; every other is one object. */
export function selectKey(key: string): KeySelection {
  if (key.endsWith("*")) return { kind: "prefix", prefix: key.slice(0, -1) };
  return key === "" || key.endsWith("/") ? { kind: "prefix", prefix: key } : { kind: "object", key };
}

/** Names may hold upper case and `_`, as old buckets and other servers do. @throws DomainError invalid/FIELD_INVALID. */
export function checkBucket(bucket: string): void {
  if (/^[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]$/iu.test(bucket) && !bucket.includes("..")) return;
  throw invalid(`"${bucket.slice(0, 128)}" is not a bucket name`, "Names have 3 to 63 letters, digits, dots and hyphens.");
}

/** @throws DomainError invalid/FIELD_INVALID unless it has 1 to 1,024 bytes of UTF-8. */
export function checkKey(key: string): void {
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes >= 1 && sizeBytes <= KEY_BYTES_MAX && key.isWellFormed()) return;
  throw invalid(`a key of ${sizeBytes} bytes is not allowed`, `Keys have 1 to ${KEY_BYTES_MAX} bytes of UTF-8.`);
}

/** As S3 limits it. */
const KEY_BYTES_MAX = 1_024;

function invalid(what: string, hint: string): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `The S3 location is wrong: ${what}.`, { hint });
}
