import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

/**
 * The names to accept in Host and Origin, or undefined when they are not checked: bound to a public address without a list,
 * where the operator's network decides who gets here.
 */
export function loopbackHosts(boundHost: string, allowedHosts: readonly string[] | undefined): ReadonlySet<string> | undefined {
  if (!isLoopback(boundHost) && allowedHosts === undefined) return undefined;
  return new Set(["localhost", "127.0.0.1", "[::1]", hostname(boundHost), ...(allowedHosts ?? []).map(hostname)]);
}

/** False for a page of another site, and for a name that was rebound to this address. */
export function isAllowedCaller(headers: IncomingHttpHeaders, allowed: ReadonlySet<string>): boolean {
  const host = headers[":authority"] ?? headers.host;
  if (typeof host !== "string" || !allowed.has(hostname(host))) return false;
  const { origin } = headers;
  return origin === undefined || allowed.has(originHost(origin));
}

function originHost(origin: string): string {
  return URL.parse(origin)?.hostname ?? "";
}

/** Lower case, without a port. */
function hostname(host: string): string {
  if (isIP(host) === 6) return `[${host.toLowerCase()}]`;
  return URL.parse(`http://${host}`)?.hostname ?? "";
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
