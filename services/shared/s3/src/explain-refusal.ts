import { DomainError } from "@skrei/domain";
import type { S3Request, S3Requests } from "./requests.ts";

/**
 * An answer to HEAD has no body, so a refused one does not say whether the bucket or the object is missing, or which part of the
 * credentials is wrong. The same question as a GET of one byte does. Gives `refusal` when it tells no more.
 */
export async function explainRefusal(requests: S3Requests, head: S3Request, refusal: unknown): Promise<unknown> {
  if (!(refusal instanceof DomainError) || !isWithoutCode(refusal)) return refusal;
  try {
    const headers = { ...head.headers, range: "bytes=0-0" };
    (await requests.send({ ...head, method: "GET", headers })).destroy();
    return refusal;
  } catch (error) {
    head.signal.throwIfAborted();
    return error instanceof DomainError && error.metadata["status"] === refusal.metadata["status"] ? error : refusal;
  }
}

function isWithoutCode({ metadata }: DomainError): boolean {
  return metadata["s3Code"] === undefined && EXPLAINED.has(metadata["status"] ?? "");
}

const EXPLAINED = new Set(["400", "403", "404"]);
