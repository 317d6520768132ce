import type { NetworkMode } from "@skrei/domain";
import { badValue } from "./bad-value.ts";
import { isKnownNetwork, refuseNetwork } from "./refused-features.ts";

export interface NetworkArgument {
  readonly mode: NetworkMode;
  /** Hosts that were named; only for http. */
  readonly domains: readonly string[];
}

/** Bacalhau's words among them. What it calls Default is a network of its own there, and none here. */
const MODES: Readonly<Record<string, NetworkMode>> = { none: "none", default: "none", http: "http", full: "full", host: "full" };

/** The mode that a word means, in any case. */
export function parseNetworkMode(word: string): NetworkMode | undefined {
  const plain = word.trim().toLowerCase();
  return Object.hasOwn(MODES, plain) ? MODES[plain] : undefined;
}

/** `none`, `http`, `full`, or hosts that may be reached by HTTP: `api.example.com,.example.org`. */
export function parseNetwork(text: string): NetworkArgument {
  const mode = parseNetworkMode(text);
  if (mode !== undefined) return { mode, domains: [] };
  if (isKnownNetwork(text)) throw refuseNetwork(text);
  const domains = splitHosts(text);
  if (domains.length === 0 || !domains.every(looksLikeHost))
    throw badValue(text, "a network: none, http, full, or hosts such as api.example.com,.example.org");
  return { mode: "http", domains };
}

/** One host, or several with commas between them. The cluster judges what they are. */
export function parseDomains(text: string): readonly string[] {
  const domains = splitHosts(text);
  if (domains.length === 0) throw badValue(text, "a host such as api.example.com, or .example.org for it and all below");
  return domains;
}

function splitHosts(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** No mode that was misspelled: those have neither a dot nor a colon. */
function looksLikeHost(text: string): boolean {
  return /[.:]/u.test(text);
}
