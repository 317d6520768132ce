import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import { Agent as HttpAgent, type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction, type Socket } from "node:net";
import { DomainError } from "@skrei/domain";
import { divertBody, withDirectBodies } from "@skrei/platform/direct-body.ts";
import { judgeStatus } from "../domain/http-retry.ts";
import type { AddressPolicy } from "./address-policy.ts";

/** Connections that are used again. Their peers were checked when they were made. */
export interface HttpAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export interface HttpRequestOptions {
  /** Redirects of a POST are not followed. */
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers: OutgoingHttpHeaders;
  readonly policy: AddressPolicy;
  /** For hosts that redirects lead to. Default: `policy`. */
  readonly redirectPolicy?: AddressPolicy;
  /** Default: a connection of its own. Redirects have one in any case. */
  readonly agents?: HttpAgents;
  /** The body will be read by `readBody`, which then costs less. Default: false. */
  readonly isDiverted?: boolean;
  /** From the call to the last header, for each hop. */
  readonly answerTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** The answer of an origin after redirects; its body has not been read. */
export interface HttpAnswer {
  readonly response: IncomingMessage;
  /** An error of the connection that came after the headers, such as bytes behind the end of the body. */
  readonly lateError: () => Error | undefined;
}

/**
 * One request with up to five redirects, each checked like the first: scheme, credentials, and the address three times (literal,
 * every result of the look-up, and the peer that was really reached). https never leads to http.
 * @throws DomainError forbidden/SOURCE_NOT_ALLOWED; errors of the connection as they are.
 */
export async function requestOrigin(url: string, options: HttpRequestOptions): Promise<HttpAnswer> {
  let at = parseHttpUrl(url, undefined);
  for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
    const answer = await requestOnce(at, hops === 0 ? options : redirected(options));
    const { statusCode = 0, headers } = answer.response;
    if (judgeStatus(statusCode) !== "redirect" || headers.location === undefined || options.method === "POST") return answer;
    answer.response.destroy();
    at = parseHttpUrl(headers.location, at);
  }
  throw notAllowed(`${at.host} redirects more than ${REDIRECTS_MAX} times`, "Use the address that the redirects end at.");
}

/** @throws DomainError forbidden/SOURCE_NOT_ALLOWED unless it is a plain http or https URL that does not step down from https. */
export function parseHttpUrl(text: string, from: URL | undefined): URL {
  const url = URL.parse(text, from?.href);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw notAllowed(`"${text.slice(0, 128)}" is not an http or https URL`, "Only http and https are fetched.");
  if (url.username !== "" || url.password !== "")
    throw notAllowed(`the URL of ${url.host} carries credentials`, "Leave user name and password out of the URL.");
  if (from?.protocol === "https:" && url.protocol === "http:")
    throw notAllowed(`${from.host} redirects from https to http`, "Use an origin that stays on https.");
  return url;
}

function redirected(options: HttpRequestOptions): HttpRequestOptions {
  const { method, headers, policy, redirectPolicy = policy, isDiverted = false, answerTimeoutMs, signal } = options;
  return { method, headers, policy: redirectPolicy, isDiverted, answerTimeoutMs, signal };
}

async function requestOnce(
  url: URL,
  { method, headers, policy, agents, isDiverted = false, answerTimeoutMs, signal }: HttpRequestOptions,
): Promise<HttpAnswer> {
  const host = url.hostname.replace(/^\[|\]$/gu, "");
  // A look-up is never made for a literal, so it is checked here.
  if (isIP(host) !== 0) policy.check(host, url.host);
  const isSecure = url.protocol === "https:";
  const send = isSecure ? httpsRequest : httpRequest;
  const agent = (isSecure ? agents?.https : agents?.http) ?? withDirectBodies(isSecure ? new HttpsAgent() : new HttpAgent());
  const sent = { "accept-encoding": "identity", "user-agent": "skrei-storage-fetcher", ...headers };
  const request = send(url, { method, headers: sent, agent, signal, lookup: guardedLookup(policy, url.host) });
  if (isDiverted) divertBody(request, 1);
  let lateError: Error | undefined;
  const answered = Promise.withResolvers<IncomingMessage>();
  // Lasting: without a listener an error after the headers would end the process.
  request.on("error", (error) => answered.reject((lateError = error)));
  request.once("response", answered.resolve);
  request.once("upgrade", (_, socket) => socket.destroy());
  // Comes last in any case, so that nobody waits for ever.
  request.once("close", () => answered.reject(new Error("the connection was closed without an answer")));
  request.once("socket", (socket) => {
    if (socket.connecting) checkPeer(socket, url, policy);
  });
  const timeout = setTimeout(() => request.destroy(new Error(`no answer within ${answerTimeoutMs} ms`)), answerTimeoutMs);
  try {
    request.end();
    const response = await answered.promise;
    response.on("error", () => undefined); // As above; whoever reads the body gets it.
    return { response, lateError: () => lateError };
  } finally {
    clearTimeout(timeout);
  }
}

/** Fails when any address of the name is refused: a name that leads inside as well is not worth a try. */
function guardedLookup(policy: AddressPolicy, host: string): LookupFunction {
  return (name, options, done) => {
    dnsLookup(name, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return done(error, "", 0);
      try {
        for (const { address } of addresses) policy.check(address, host);
      } catch (refusal) {
        return done(refusal as Error, "", 0);
      }
      const [first] = addresses;
      if (options.all === true) return done(null, addresses);
      return done(null, first?.address ?? "", first?.family ?? 0);
    });
  };
}

function checkPeer(socket: Socket, url: URL, policy: AddressPolicy): void {
  socket.once("connect", () => {
    try {
      policy.check(socket.remoteAddress ?? "", url.host);
    } catch (refusal) {
      socket.destroy(refusal as Error);
    }
  });
}

function notAllowed(what: string, hint: string): DomainError {
  return new DomainError("forbidden", "SOURCE_NOT_ALLOWED", `The source is refused: ${what}.`, { hint });
}

const REDIRECTS_MAX = 5;
