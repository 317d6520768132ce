import { DomainError } from "@skrei/domain";
import type { CID } from "multiformats/cid";

/** A block that has its hash and makes no sense. */
export function malformed(cid: CID, what: string): DomainError {
  return new DomainError("corrupt", "RESULT_CORRUPT", `Block ${cid.toString()} has ${what}.`, {
    hint: "The content was built wrong or with ill intent; make it again.",
  });
}
