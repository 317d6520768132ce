import { statfsSync } from "node:fs";
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

/** @throws DomainError exhausted/STORE_FULL when writing `sizeBytes` would leave less than `freeBytesMin`. */
export function checkRoom(folder: string, sizeBytes: number, freeBytesMin: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes - sizeBytes < freeBytesMin)
    throw storeFull(`${sizeBytes} bytes do not fit: ${freeBytes} are free and ${freeBytesMin} stay in reserve`, undefined);
}

/** STORE_FULL for the ways in which a disk or SQLite says so; other errors as they are. */
export function asStoreError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const isFull =
    code === "ENOSPC" || code === "EDQUOT" || (code === "ERR_SQLITE_ERROR" && (error as { errcode?: number }).errcode === SQLITE_FULL);
  return isFull ? storeFull("the disk is full", error) : error;
}

function storeFull(what: string, cause: unknown): DomainError {
  return new DomainError("exhausted", "STORE_FULL", `The content store has no room: ${what}.`, {
    hint: "Delete old jobs, or give the store a larger disk.",
    cause,
  });
}

const SQLITE_FULL = 13;
