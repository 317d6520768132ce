import type { IncomingMessage } from "node:http";

/** Of one connection only (RFC 9110, section 7.6.1), and what is between the task and this proxy. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
  "x-skrei-reason",
]);

/** The header lines that an end sent for the other end, as name, value, name, value. */
export function endToEndHeaders({ rawHeaders, headers }: IncomingMessage): string[] {
  const named = new Set((headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()));
  const kept: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = "", value = ""] = rawHeaders.slice(index, index + 2);
    const key = name.toLowerCase();
    if (HOP_BY_HOP.has(key) || key.startsWith("proxy-") || (named.has(key) && !ESSENTIAL.has(key))) continue;
    kept.push(name, value);
  }
  return kept;
}

/** What a request is; a Connection header cannot take it away. */
const ESSENTIAL = new Set(["host", "content-length"]);

/** The header lines of a request to the origin. */
export function requestHeaders(request: IncomingMessage, authority: string): string[] {
  const kept = endToEndHeaders(request);
  const headers = ["Host", authority];
  for (let index = 0; index < kept.length; index += 2) {
    const [name = "", value = ""] = kept.slice(index, index + 2);
    if (name.toLowerCase() !== "host") headers.push(name, value);
  }
  if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  else if (request.headers["content-length"] === undefined && MAY_HAVE_BODY.has(request.method ?? "")) headers.push("Content-Length", "0");
  return headers;
}

const MAY_HAVE_BODY = new Set(["POST", "PUT", "PATCH"]);

/** What a head takes on the wire. */
export function headBytes(firstLine: string, headers: readonly string[]): number {
  // Each pair takes ": " and CRLF, the first line and the end CRLF each.
  return headers.reduce((sum, text) => sum + text.length + 2, firstLine.length + 4);
}
