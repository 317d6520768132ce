import { coversRule, DomainError, formatHostRule, LIMITS, NO_NETWORK, parseHostRule, quote } from "@skrei/domain";
import type { HostRule, Network, Violations } from "@skrei/domain";
import { Network_Mode, type Network as PbNetwork } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parse } from "tldts";
import { NETWORK_MODE_FROM_PROTO } from "./network.ts";

/** Checks what a stranger asks for and makes it canonical: rules in their one spelling, none that another one covers. */
export function draftNetwork(pb: PbNetwork | undefined, violations: Violations): Network {
  if (pb === undefined) return NO_NETWORK;
  const mode = pb.mode === Network_Mode.UNSPECIFIED ? "none" : NETWORK_MODE_FROM_PROTO.get(pb.mode);
  if (mode === undefined) {
    violations.add("task.network.mode", `found ${pb.mode}; allowed: MODE_NONE, MODE_HTTP, MODE_FULL`, "FEATURE_NOT_AVAILABLE");
    return NO_NETWORK;
  }
  if (mode === "http") return { mode, domains: draftDomains(pb.domains, violations), egressBytesMax: draftEgressBytesMax(pb, violations) };
  const used = `with MODE_${mode.toUpperCase()}; allowed: only with MODE_HTTP`;
  if (pb.domains.length > 0) violations.add("task.network.domains", `found a list ${used}`);
  if (pb.egressBytesMax !== 0n) violations.add("task.network.egressBytesMax", `found ${pb.egressBytesMax} ${used}`);
  return { mode, domains: [], egressBytesMax: 0 };
}

function draftEgressBytesMax({ egressBytesMax }: PbNetwork, violations: Violations): number {
  violations.integer("task.network.egressBytesMax", Number(egressBytesMax), { min: 0, max: Number.MAX_SAFE_INTEGER, unit: "bytes" });
  return Number(egressBytesMax);
}

function draftDomains(texts: readonly string[], violations: Violations): readonly string[] {
  const field = "task.network.domains";
  if (texts.length === 0)
    violations.add(field, `missing; allowed: 1 to ${LIMITS.networkDomainsMax} entries, each ${GRAMMAR}`, "FIELD_REQUIRED");
  if (!violations.atMost(field, texts.length, LIMITS.networkDomainsMax)) return [];
  const rules = texts.flatMap((text, index): readonly HostRule[] => {
    const rule = draftRule(`${field}[${index}]`, text, violations);
    return rule === undefined ? [] : [rule];
  });
  return rules.filter((rule, index) => !isCovered(rule, index, rules)).map(formatHostRule);
}

/** Of two equal ones the first stays. */
function isCovered(rule: HostRule, index: number, rules: readonly HostRule[]): boolean {
  return rules.some((other, at) => at !== index && coversRule(other, rule) && (at < index || !coversRule(rule, other)));
}

function draftRule(field: string, text: string, violations: Violations): HostRule | undefined {
  try {
    const rule = parseHostRule(text);
    const problem = problemOf(rule, text);
    if (problem === undefined) return rule;
    violations.add(field, problem);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    violations.add(field, error.message, text === "" ? "FIELD_REQUIRED" : "FIELD_INVALID");
  }
  return undefined;
}

/** What an operator may list and a job may not: names that are not one owner's (publicsuffix.org). */
function problemOf(rule: HostRule, text: string): string | undefined {
  if (rule.kind === "address") return undefined;
  if (rule.kind === "any") return `found ${quote(text)}; allowed: ${GRAMMAR}; ask for MODE_FULL to reach every public name`;
  if (!rule.host.includes(".")) return `found ${quote(text)}; allowed: names with a dot, such as example.com`;
  const { publicSuffix, isIcann } = suffixOf(rule.host);
  if (publicSuffix === rule.host && (isIcann === true || rule.kind === "subtree")) {
    return `found ${quote(text)}; allowed: names below the public suffix ${quote(rule.host)}, which belongs to many owners`;
  }
  if (rule.kind === "exact" || suffixOf(`any.${rule.host}`).publicSuffix !== `any.${rule.host}`) return undefined;
  return `found ${quote(text)}; allowed: names below the public suffixes under ${quote(rule.host)}, which belong to many owners`;
}

function suffixOf(host: string): ReturnType<typeof parse> {
  return parse(host, { allowPrivateDomains: true });
}

const GRAMMAR = "a name such as example.com, .example.com for the name and all below it, or an address";
