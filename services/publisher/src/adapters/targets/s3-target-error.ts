import { DomainError } from "@skrei/domain";
import { refused, unavailable } from "./target-errors.ts";

/** What a failed upload means to whoever wanted to publish; errors of the result itself stay as they are. */
export function asTargetError(error: unknown, bucket: string): unknown {
  if (!(error instanceof DomainError) || isOfResult(error)) return error;
  const said = wordsOf(error);
  if (isForGood(error)) {
    const message = said === "" ? error.message : `The S3 server refuses it for the bucket ${bucket}: ${said}.`;
    return refused(message, error.metadata["hint"] ?? "", error);
  }
  const why = said === "" ? error.message.replace(/\.$/u, "") : `the server said ${said}`;
  return unavailable(`The S3 server of the bucket ${bucket} does not take the result now: ${why}.`, error);
}

/** The server's own, if it answered. */
function wordsOf({ metadata: { s3Code = "", s3Message = "", status = "" } }: DomainError): string {
  return [s3Code || status, s3Message].filter((text) => text !== "").join(": ");
}

/** What the store says when it reads the result. */
function isOfResult({ reason }: DomainError): boolean {
  return reason === "RESULT_CORRUPT" || reason === "BLOCK_MISSING" || reason === "CONTENT_ID_INVALID" || reason.startsWith("TARGET_");
}

function isForGood({ kind, reason, metadata }: DomainError): boolean {
  // An upload that somebody removed can be begun again.
  if (kind === "notFound") return metadata["s3Code"] !== "NoSuchUpload";
  return kind === "forbidden" || kind === "unauthenticated" || (kind === "invalid" && reason !== "SOURCE_SIZE_MISMATCH");
}
