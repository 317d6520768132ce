import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { canonicalHost, formatHost } from "@skrei/domain";
import { deny, printable } from "../../domain/denial.ts";
import type { Denial, EgressTarget } from "../../domain/decide-egress.ts";
import { splitAuthority } from "../../domain/split-authority.ts";
import type { ServedDoor } from "../../ports.ts";
import { ALLOWED_METHODS } from "./refusal.ts";

/** A request as it is judged: nothing in it can be read in two ways. */
export interface RequestHead {
  readonly target: EgressTarget;
  /** As it goes to the origin, path and query; empty for CONNECT. */
  readonly path: string;
}

/** A request that is well formed and comes from the door's own task, or why not. */
export type ReceivedHead =
  | ({ readonly kind: "head" } & RequestHead)
  | { readonly kind: "refused"; readonly denial: Denial; readonly port: number; readonly isCounted: boolean };

/** In a tunnel of plain HTTP its CONNECT has carried the credential, and said where everything goes. */
export function receiveHead(request: IncomingMessage, door: ServedDoor, tunnelTarget?: EgressTarget): ReceivedHead {
  const head = readRequestHead(request, tunnelTarget);
  if ("verdict" in head) return { kind: "refused", denial: head, port: 0, isCounted: true };
  if (tunnelTarget !== undefined) return { kind: "head", ...head };
  const { host, port } = head.target;
  const denial = credentialDenial(request, door, printable(host));
  if (denial === undefined) return { kind: "head", ...head };
  // A client that does not know that a credential is wanted asks without one first; that is no attempt at anything.
  return { kind: "refused", denial, port, isCounted: valuesOf(request, "proxy-authorization").length > 0 };
}

/** What the parser let through is read strictly: the rules that it does not know are here. */
function readRequestHead(request: IncomingMessage, tunnelTarget: EgressTarget | undefined): RequestHead | Denial {
  const problem = framingProblem(request);
  if (problem !== undefined) return requestInvalid(hostHint(request), problem);
  const method = request.method ?? "";
  if (method === "CONNECT" && tunnelTarget === undefined) return readAuthority(request.url ?? "");
  if (!ALLOWED_METHODS.includes(method)) return methodDenied(hostHint(request), method);
  if (tunnelTarget !== undefined) return readInTunnel(request, tunnelTarget);
  return readAbsoluteUri(request.url ?? "");
}

/** Undefined when the request carries the secret of this door. */
function credentialDenial(request: IncomingMessage, door: ServedDoor, host: string): Denial | undefined {
  const given = valuesOf(request, "proxy-authorization");
  const [, encoded = ""] = /^basic +([A-Za-z0-9+/=_-]+)$/iu.exec(given[0] ?? "") ?? [];
  const expected = Buffer.from(`${door.executionId}:${door.secret}`);
  const actual = Buffer.from(encoded, "base64");
  if (given.length === 1 && actual.length === expected.length && timingSafeEqual(actual, expected)) return undefined;
  return deny(host, "EGRESS_CREDENTIAL_INVALID", {
    message: given.length === 0 ? "The request carries no credential." : "The request carries another credential than this execution's.",
    hint: "Use the proxy address in http_proxy and https_proxy as it is, user name and password included.",
  });
}

export function requestInvalid(host: string, message: string): Denial {
  return deny(host, "EGRESS_REQUEST_INVALID", { message, hint: "Send a plain HTTP/1.1 request with the whole URL, or CONNECT host:port." });
}

/** An empty method is one that is none. */
export function methodDenied(host: string, method: string): Denial {
  return deny(host, "EGRESS_METHOD_DENIED", {
    message: method === "" ? "The request's method is none that is known." : `The method ${printable(method)} is not forwarded.`,
    hint: `These are: ${ALLOWED_METHODS.join(", ")}, CONNECT.`,
  });
}

/** Stands for the host of a request that does not get as far as naming one. */
export const NO_HOST = "(none)";

function framingProblem(request: IncomingMessage): string | undefined {
  const { httpVersion, method } = request;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") return `HTTP/${printable(httpVersion)} is not served.`;
  if (valuesOf(request, "host").length > 1) return "The request names several hosts.";
  const lengths = valuesOf(request, "content-length");
  const encodings = valuesOf(request, "transfer-encoding");
  if (lengths.length + encodings.length > 1) return "The request has several ways to tell where its body ends.";
  if (method === "CONNECT" && lengths.length + encodings.length > 0) return "CONNECT has no body.";
  if (!lengths.every((length) => /^(?:0|[1-9]\d{0,14})$/u.test(length))) return "The length of the request's body is no number.";
  return encodings.length === 0 ? undefined : encodingProblem(httpVersion, encodings[0] ?? "");
}

function encodingProblem(httpVersion: string, encoding: string): string | undefined {
  if (encoding.toLowerCase() !== "chunked") return "Only chunked is served as a transfer encoding.";
  return httpVersion === "1.0" ? "HTTP/1.0 knows no transfer encodings." : undefined;
}

/** `http://host[:port]/path?query`, and nothing that a URL parser would mend. */
function readAbsoluteUri(url: string): RequestHead | Denial {
  if (/^https:\/\//iu.test(url)) return requestInvalid(hostIn(url), "https is reached through CONNECT, not with the whole URL.");
  const [, authority, path = ""] = /^http:\/\/([^/?#]*)([^#]*)$/iu.exec(url) ?? [];
  if (authority === undefined) {
    const problem =
      /^[a-z][a-z0-9+.-]*:/iu.test(url) && !/^http:/iu.test(url)
        ? "Only http and https are served."
        : "The request does not name a whole http URL.";
    return requestInvalid(hostIn(url), url.includes("#") ? "A URL in a request has no fragment." : problem);
  }
  const split = splitAuthority(authority, 80);
  if (split === undefined) return requestInvalid(hostIn(url), "The URL's host or port cannot be read.");
  return { target: { ...split, scheme: "http" }, path: path.startsWith("/") ? path : `/${path}` };
}

/** `/path?query` for the very host of the tunnel: nobody is fronted. */
function readInTunnel(request: IncomingMessage, target: EgressTarget): RequestHead | Denial {
  const path = request.url ?? "";
  if (!path.startsWith("/") || path.includes("#"))
    return requestInvalid(printable(target.host), "In a tunnel a request names a path, not a whole URL.");
  if (!namesHostOf(request, target))
    return requestInvalid(printable(target.host), `The request in the tunnel to ${printable(target.host)} names another host, or none.`);
  return { target, path };
}

function namesHostOf(request: IncomingMessage, { host, port }: EgressTarget): boolean {
  const named = splitAuthority(valuesOf(request, "host")[0] ?? "", port);
  if (named?.port !== port) return false;
  const [one, other] = [canonicalHost(named.host), canonicalHost(host)];
  return one !== undefined && other !== undefined && formatHost(one) === formatHost(other);
}

function readAuthority(authority: string): RequestHead | Denial {
  const split = splitAuthority(authority, undefined);
  if (split === undefined) return requestInvalid(printable(authority) || NO_HOST, "CONNECT needs host:port.");
  return { target: { ...split, scheme: "https" }, path: "" };
}

function valuesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) values.push((rawHeaders[index + 1] ?? "").trim());
  }
  return values;
}

function hostHint({ url = "", method }: IncomingMessage): string {
  return method === "CONNECT" ? printable(url) || NO_HOST : hostIn(url);
}

function hostIn(url: string): string {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)/iu.exec(url)?.[1] ?? "";
  return printable(authority) || NO_HOST;
}
