import { join } from "node:path";
import { DomainError } from "@skrei/domain";

/** Where the parts of the store lie below its folder. */
export interface StoreLayout {
  readonly index: string;
  /** One folder per staged result, named by execution. */
  readonly results: string;
  /** Files of several blocks each. */
  readonly packs: string;
  /** Half-made things; emptied at start. */
  readonly scratch: string;
}

export function storeLayout(folder: string): StoreLayout {
  return {
    index: join(folder, "index.sqlite"),
    results: join(folder, "results"),
    packs: join(folder, "packs"),
    scratch: join(folder, "scratch"),
  };
}

/** STORE_FULL for the ways in which a disk or SQLite says so; other errors as they are. */
export function asStoreError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const isFull =
    code === "ENOSPC" || code === "EDQUOT" || (code === "ERR_SQLITE_ERROR" && (error as { errcode?: number }).errcode === SQLITE_FULL);
  return isFull ? storeFull("the disk is full", error) : error;
}

/** The store cannot take more. */
export function storeFull(what: string, cause: unknown): DomainError {
  return new DomainError("exhausted", "STORE_FULL", `The content store has no room: ${what}.`, {
    hint: "Remove old jobs or data and collect garbage, or raise storeBytesMax or the size of its disk.",
    cause,
  });
}

const SQLITE_FULL = 13;
