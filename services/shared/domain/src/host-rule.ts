import { canonicalAddress } from "./address-class.ts";
import { DomainError } from "./errors.ts";
import { quote } from "./violations.ts";

/** A host in the one spelling that decisions are made on: a lower-case punycode name without a final dot, or an address without brackets. */
export type CanonicalHost = { readonly kind: "name"; readonly host: string } | { readonly kind: "address"; readonly address: string };

/** One entry of an allowlist: that name; that name and all below it; that address; every name. */
export type HostRule =
  | { readonly kind: "exact"; readonly host: string }
  | { readonly kind: "subtree"; readonly host: string }
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "any" };

/**
 * The host that a URL with this text between `//` and the port would lead to (WHATWG host parser with IDNA), without a port.
 * Undefined when it is none, is longer than DNS allows, or hides something: white space, percent-encoding, user names.
 */
export function canonicalHost(text: string): CanonicalHost | undefined {
  if (text.length > TEXT_LENGTH_MAX || UNHEARD_OF.test(text)) return undefined;
  const hostname = text.includes(":") ? withoutBrackets(text) : (URL.parse(`http://${text}/`)?.hostname ?? "");
  const address = canonicalAddress(hostname);
  if (address !== undefined) return { kind: "address", address };
  const host = hostname.replace(/\.$/u, "");
  return isDomainName(host) ? { kind: "name", host } : undefined;
}

/**
 * `example.com` is that name, `.example.com` the name and all below it, `192.0.2.7` that address, `*` every name.
 * Names in any spelling, addresses in their canonical one. Single labels and public suffixes are for the caller to judge.
 * @throws DomainError invalid/FIELD_INVALID whose message ends in what is allowed.
 */
export function parseHostRule(text: string): HostRule {
  if (text === "*") return { kind: "any" };
  const isSubtree = text.startsWith(".");
  const host = canonicalHost(isSubtree ? text.slice(1) : text);
  if (host === undefined || (isSubtree && host.kind === "address")) throw ruleInvalid(text);
  if (host.kind === "name") return { kind: isSubtree ? "subtree" : "exact", host: host.host };
  if (text !== host.address && text !== `[${host.address}]`) {
    throw new DomainError("invalid", "FIELD_INVALID", `found ${quote(text)}; allowed: ${quote(host.address)}, which is what it means`);
  }
  return { kind: "address", address: host.address };
}

/** What `parseHostRule` reads as the same rule; the canonical spelling. */
export function formatHostRule(rule: HostRule): string {
  switch (rule.kind) {
    case "exact":
      return rule.host;
    case "subtree":
      return `.${rule.host}`;
    case "address":
      return rule.address;
    case "any":
      return "*";
  }
}

/** As it is written in a message. */
export function formatHost(host: CanonicalHost): string {
  return host.kind === "name" ? host.host : host.address;
}

/** `*` matches no addresses: those are opened by networks, not by names. */
export function matchesHost(rule: HostRule, host: CanonicalHost): boolean {
  if (host.kind === "address") return rule.kind === "address" && rule.address === host.address;
  switch (rule.kind) {
    case "exact":
      return rule.host === host.host;
    case "subtree":
      return isSameOrBelow(host.host, rule.host);
    case "address":
      return false;
    case "any":
      return true;
  }
}

/** Whether everything that `inner` matches is matched by `outer` too. */
export function coversRule(outer: HostRule, inner: HostRule): boolean {
  switch (inner.kind) {
    case "any":
      return outer.kind === "any";
    case "subtree":
      return outer.kind === "any" || (outer.kind === "subtree" && isSameOrBelow(inner.host, outer.host));
    case "exact":
      return matchesHost(outer, { kind: "name", host: inner.host });
    case "address":
      return matchesHost(outer, inner);
  }
}

/** A name in Unicode may be longer than its 253 characters of punycode, though not twice as long; IDNA takes quadratic time. */
const TEXT_LENGTH_MAX = 512;

/** Whatever the URL parser would drop, decode, or take for the end of the host; and labels far above 63 characters, for the same reason. */
const UNHEARD_OF = /[\p{Cc}\s/\\?#@%]|[^.\u3002\uff0e\uff61]{127}/u;

function withoutBrackets(text: string): string {
  return /^\[([^[\]]*)\]$/u.exec(text)?.[1] ?? text;
}

function isDomainName(host: string): boolean {
  if (host.length > 253) return false;
  // Names with underscores are no host names by RFC 952, yet are in use and resolve.
  return host.split(".").every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/u.test(label));
}

/** The dot keeps notexample.com out of .example.com. */
function isSameOrBelow(host: string, ancestor: string): boolean {
  return host.endsWith(ancestor) && (host.length === ancestor.length || host.at(-ancestor.length - 1) === ".");
}

function ruleInvalid(text: string): DomainError {
  const isShort = text.length <= TEXT_LENGTH_MAX;
  const { allowed } = MISTAKES.find(({ pattern }) => isShort && pattern.test(text)) ?? { allowed: GRAMMAR };
  return new DomainError("invalid", "FIELD_INVALID", `${text === "" ? "missing" : `found ${quote(text)}`}; allowed: ${allowed}`);
}

const GRAMMAR = "a name such as example.com, .example.com for the name and all below it, or an address";

const MISTAKES: readonly { readonly pattern: RegExp; readonly allowed: string }[] = [
  { pattern: /^[\da-f.:]*[\d:]\/\d+$/iu, allowed: "single addresses; networks are opened by the node's operator" },
  { pattern: /^[a-z][a-z0-9+.-]*:\/\//iu, allowed: `${GRAMMAR}, without a scheme` },
  { pattern: /\*/u, allowed: ".example.com for the name and all below it, without wildcards" },
  { pattern: /^[^:[\]]+:\d*$|^\[.*\]:\d*$/u, allowed: `${GRAMMAR}, without a port` },
  { pattern: /\//u, allowed: `${GRAMMAR}, without a path` },
];
