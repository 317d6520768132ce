import { DomainError } from "@skrei/domain";

/** The primary result code of SQLite, or undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** What the disk does to us becomes unavailable/STORE_UNAVAILABLE; our own bugs stay what they are. */
export function toStoreError(error: unknown, path: string): unknown {
  const code = sqliteCode(error);
  const isFromSystem = code === undefined ? isSystemError(error) : DISK_CODES.has(code);
  if (!isFromSystem) return error;
  return new DomainError("unavailable", "STORE_UNAVAILABLE", `The state in ${path} cannot be read or written.`, {
    hint: "Look at the cause: free space, file permissions and the health of the disk.",
    cause: error,
  });
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

/** NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB. */
const DISK_CODES: ReadonlySet<number> = new Set([7, 8, 10, 11, 13, 14, 26]);
