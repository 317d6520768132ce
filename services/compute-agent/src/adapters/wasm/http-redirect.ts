import type { HeaderLine } from "./http-header-lines.ts";
import { HttpProblem } from "./http-problem.ts";

/** One request to one origin. */
export interface Hop {
  readonly method: string;
  readonly url: URL;
  readonly headers: readonly HeaderLine[];
  readonly bodyBytes: number;
}

/** Where an answer leads, or undefined when it is to be taken as it is. @throws HttpProblem for a redirect that is not followed. */
export function redirectOf(hop: Hop, status: number, location: string | undefined): Hop | undefined {
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  const url = parseRequestUrl(location, hop.url);
  const isBodyKept = status === 307 || status === 308 || isMethodKept(hop.method, status);
  const dropped = [...(isBodyKept ? [] : BODY_HEADERS), ...(url.origin === hop.url.origin ? [] : SECRET_HEADERS)];
  return {
    method: isBodyKept ? hop.method : "GET",
    url,
    headers: hop.headers.filter(([name]) => !dropped.includes(name.toLowerCase())),
    bodyBytes: isBodyKept ? hop.bodyBytes : 0,
  };
}

/** @throws HttpProblem invalidUrl unless it is a plain http or https URL; notAllowed for a step from https down to http. */
export function parseRequestUrl(text: string, from: URL | undefined): URL {
  const url = URL.parse(text, from?.href);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new HttpProblem("invalidUrl", `"${text.slice(0, 128)}" is no http or https URL`);
  if (url.username !== "" || url.password !== "")
    throw new HttpProblem("invalidUrl", `the URL of ${url.host} carries credentials; send an Authorization header instead`);
  if (from?.protocol === "https:" && url.protocol === "http:")
    throw new HttpProblem("notAllowed", `${from.host} redirects from https to http, which is not followed`);
  url.hash = "";
  return url;
}

/** As browsers do: 303 asks for a GET, and a POST becomes one after 301 and 302 too. */
function isMethodKept(method: string, status: number): boolean {
  return method === "GET" || method === "HEAD" || (status !== 303 && method !== "POST");
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const BODY_HEADERS: readonly string[] = ["content-encoding", "content-language", "content-location", "content-type"];
const SECRET_HEADERS: readonly string[] = ["authorization", "cookie"];
