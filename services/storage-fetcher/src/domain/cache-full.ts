import { DomainError } from "@skrei/domain";

/** What a full disk looks like, whoever met it: files (ENOSPC, EDQUOT) or SQLite (13). Any other error is returned as it is. */
export function asCacheFull(error: unknown): unknown {
  const { code = "", errcode = 0 } = typeof error === "object" && error !== null ? (error as { code?: string; errcode?: number }) : {};
  if (error instanceof DomainError || !(code === "ENOSPC" || code === "EDQUOT" || (code === "ERR_SQLITE_ERROR" && errcode === SQLITE_FULL)))
    return error;
  return new DomainError("exhausted", "CACHE_FULL", "The disk of the input cache is full.", {
    hint: "Free space on the node's disk, or raise freeBytesMin so that the cache leaves more of it.",
    cause: error,
  });
}

const SQLITE_FULL = 13;
