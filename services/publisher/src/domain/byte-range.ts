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

/**
 * What `entity-bytes` of the trustless gateway means for `sizeBytes` bytes: `from:to`, `to` included or `*`, negative ones counted from
 * the end. Undefined for another form.
 */
export function parseEntityBytes(text: string, sizeBytes: number): ByteRange | undefined {
  const [, from = "", to = ""] = /^(-?\d{1,15}):(\*|-?\d{1,15})$/u.exec(text) ?? [];
  if (from === "") return undefined;
  const place = (at: number): number => Math.min(Math.max(at < 0 ? sizeBytes + at : at, 0), sizeBytes);
  const start = place(Number(from));
  // The last byte is included, so that -1 is the end of the file.
  const end = to === "*" || to === "-1" ? sizeBytes : place(Number(to) + 1);
  return { start, end: Math.max(start, end) };
}

function bytesFrom(start: number, last: number, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  if (last < start) return undefined;
  return start >= sizeBytes ? "unsatisfiable" : { start, end: Math.min(last + 1, sizeBytes) };
}

function lastBytes(count: number, sizeBytes: number): ByteRange | "unsatisfiable" {
  return count === 0 || sizeBytes === 0 ? "unsatisfiable" : { start: Math.max(sizeBytes - count, 0), end: sizeBytes };
}
