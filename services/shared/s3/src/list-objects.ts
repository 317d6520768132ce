import { DomainError } from "@skrei/domain";
import { parseTime } from "./object-download.ts";
import type { S3Requests } from "./requests.ts";
import { childText, type XmlElement } from "./xml.ts";

export interface ListOptions {
  readonly bucket: string;
  /** Default: the whole bucket. */
  readonly prefix?: string;
  /** More than these is an error, so that no listing is endless. Default 1,000,000. */
  readonly objectsMax?: number;
  /** Keys asked for at once, 1 to 1,000. Default 1,000. */
  readonly pageSize?: number;
  readonly signal: AbortSignal;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** With its quotes, as `If-Match` takes it. */
  readonly etag: string;
  /** Milliseconds since 1970; 0 when the server does not say. */
  readonly modifiedAtMs: number;
}

/**
 * All objects below the prefix in the server's order, a page at a time as they are taken.
 * @throws DomainError as the client's; exhausted/SOURCE_TOO_LARGE; corrupt/SOURCE_UNREACHABLE for pages that contradict themselves.
 */
export async function* listObjects(requests: S3Requests, options: ListOptions): AsyncGenerator<ListedObject, void> {
  const { bucket, prefix = "", objectsMax = 1_000_000 } = options;
  let count = 0;
  for await (const { objects } of listPages(requests, options)) {
    for (const object of objects) {
      if (!object.key.startsWith(prefix)) throw contradiction(bucket, "a key is listed that does not begin with the prefix");
      if (++count > objectsMax) throw tooMany(bucket, prefix, objectsMax);
      yield object;
    }
  }
}

async function* listPages(requests: S3Requests, { bucket, prefix, pageSize = 1_000, signal }: ListOptions): AsyncGenerator<Page, void> {
  const base = { "list-type": "2", "encoding-type": "url", "max-keys": String(pageSize), ...(prefix ? { prefix } : {}) };
  let query: Readonly<Record<string, string>> = base;
  let last: Page = { objects: [], nextToken: "" };
  for (let emptyPages = 0; emptyPages <= EMPTY_PAGES_MAX;) {
    const page = parsePage(await requests.sendForXml({ method: "GET", bucket, query, safety: "repeatable", signal }), bucket);
    yield page;
    if (page.nextToken === "") return;
    if (!isProgress(last, page)) throw contradiction(bucket, "the listing does not get on");
    emptyPages = page.objects.length === 0 ? emptyPages + 1 : 0;
    query = { ...base, "continuation-token": page.nextToken };
    last = page;
  }
  throw contradiction(bucket, `${EMPTY_PAGES_MAX} pages in a row are empty`);
}

/** A server that repeats itself would be listed for ever. */
function isProgress(last: Page, page: Page): boolean {
  const pageEnd = page.objects.at(-1)?.key;
  return page.nextToken !== last.nextToken && (pageEnd === undefined || pageEnd !== last.objects.at(-1)?.key);
}

/** Some servers skip over deleted objects a page at a time. */
const EMPTY_PAGES_MAX = 100;

interface Page {
  readonly objects: readonly ListedObject[];
  /** "" on the last page. */
  readonly nextToken: string;
}

function parsePage(root: XmlElement, bucket: string): Page {
  if (root.name !== "ListBucketResult") throw contradiction(bucket, "the answer is no listing");
  const isEncoded = childText(root, "EncodingType") === "url";
  const objects = root.children
    .filter(({ name }) => name === "Contents")
    .map((contents) => ({
      key: decodeKey(childText(contents, "Key"), isEncoded, bucket),
      sizeBytes: sizeOf(childText(contents, "Size"), bucket),
      etag: childText(contents, "ETag"),
      modifiedAtMs: parseTime(childText(contents, "LastModified")),
    }));
  const nextToken = childText(root, "NextContinuationToken");
  const isTruncated = childText(root, "IsTruncated") === "true";
  if (isTruncated && nextToken === "") throw contradiction(bucket, "the listing is cut without saying how to go on");
  return { objects, nextToken: isTruncated ? nextToken : "" };
}

function decodeKey(text: string, isEncoded: boolean, bucket: string): string {
  if (!isEncoded) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    throw contradiction(bucket, "a key is not UTF-8");
  }
}

function sizeOf(text: string, bucket: string): number {
  const sizeBytes = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(sizeBytes)) throw contradiction(bucket, "an object has no size");
  return sizeBytes;
}

function tooMany(bucket: string, prefix: string, objectsMax: number): DomainError {
  const what = `s3://${bucket}/${prefix.slice(0, 128)} has more than ${objectsMax} objects.`;
  return new DomainError("exhausted", "SOURCE_TOO_LARGE", what, { hint: "Use a longer prefix, or several inputs." });
}

function contradiction(bucket: string, what: string): DomainError {
  return new DomainError("corrupt", "SOURCE_UNREACHABLE", `The listing of s3://${bucket} cannot be used: ${what}.`, {
    hint: "The server does not speak S3 as expected; check the endpoint.",
  });
}
