/** Bytes asked for, `end` excluded. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a `Range` header asks of `sizeBytes` bytes (RFC 9110, 14.1.2). Undefined means the whole: no header, another unit, a syntax
 * error, or several ranges, which a server may ignore.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/u.exec(header?.replaceAll(" ", "") ?? "");
  if (match === null || match[0] === "bytes=-") return undefined;
  const [, first = "", last = ""] = match;
  return first === ""
    ? lastBytes(Number(last), sizeBytes)
    : bytesFrom(Number(first), last === "" ? Number.POSITIVE_INFINITY : Number(last), sizeBytes);
}

function bytesFrom(start: number, last: number, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  if (last < start) return undefined;
  return start >= sizeBytes ? "unsatisfiable" : { start, end: Math.min(last + 1, sizeBytes) };
}

function lastBytes(count: number, sizeBytes: number): ByteRange | "unsatisfiable" {
  return count === 0 || sizeBytes === 0 ? "unsatisfiable" : { start: Math.max(sizeBytes - count, 0), end: sizeBytes };
}
