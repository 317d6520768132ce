import { DomainError } from "@skrei/domain";
import type { SourceAdapter } from "../ports.ts";

/** Objects of S3-compatible servers. */
export function createS3Source(): SourceAdapter<"s3"> {
  const refuse = (): never => {
    throw new DomainError("invalid", "SOURCE_TYPE_UNSUPPORTED", "This node does not read from S3.", { hint: "Upgrade this node." });
  };
  return { keyOf: () => undefined, check: refuse, estimate: async () => refuse(), fetch: async () => refuse() };
}
