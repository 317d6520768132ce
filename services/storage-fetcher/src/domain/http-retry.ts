/** What to do after an answer of an origin. */
export type StatusVerdict = "body" | "rest" | "unchanged" | "redirect" | "retry" | "refuse" | "restart";

export function judgeStatus(status: number): StatusVerdict {
  if (status === 200) return "body";
  if (status === 206) return "rest";
  if (status === 304) return "unchanged";
  if (status === 416) return "restart";
  if ([301, 302, 303, 307, 308].includes(status)) return "redirect";
  return status >= 500 || status === 408 || status === 425 || status === 429 ? "retry" : "refuse";
}

/** Milliseconds before try `attempt` (2 is the first repetition): 200 ms, three times as long each time, up to 20 s; seven tries take 44 s. */
export function retryDelayMs(attempt: number): number {
  return Math.min(200 * 3 ** Math.max(attempt - 2, 0), 20_000);
}

/** First byte and total of a `Content-Range` header such as `bytes 5-9/10`; undefined when it is none, or the total is not said. */
export function parseContentRange(header: string | undefined): { readonly start: number; readonly total: number } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+)$/u.exec(header ?? "");
  return match === null ? undefined : { start: Number(match[1]), total: Number(match[2]) };
}

/** What an answer says of the version of its data. */
export interface VersionHeaders {
  readonly etag: string;
  readonly lastModified: string;
  readonly date: string;
}

/**
 * Whether bytes of two answers with these headers are of the same data for sure, so that a download may go on in a later process. A time
 * counts when it is a minute older than the answer (RFC 9110, 8.8.2.2): a file may change twice in a second.
 */
export function isStrongVersion({ etag, lastModified, date }: VersionHeaders): boolean {
  if (etag !== "") return !etag.startsWith("W/");
  return Date.parse(date) - Date.parse(lastModified) >= SETTLED_MS;
}

const SETTLED_MS = 60_000;
