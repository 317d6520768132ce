import {
  type CanonicalHost,
  canonicalHost,
  classifyAddress,
  DomainError,
  type EgressExplanation,
  formatHost,
  type Network,
  parseHostRule,
} from "@skrei/domain";
import { decideAddresses, type Denial, type EgressTarget } from "../domain/decide-egress.ts";
import { deny, printable } from "../domain/denial.ts";
import { refusalOf } from "../domain/network-policy.ts";
import { splitAuthority } from "../domain/split-authority.ts";
import type { OwnAddresses, Resolver } from "../ports.ts";
import type { Doors } from "./doors.ts";
import type { EgressGate, GatedDoor } from "./egress-gate.ts";
import { clusterHostsOf, type OpenDoor } from "./open-door.ts";
import type { PolicyWatch } from "./policy-watch.ts";
import { ReservedAddresses } from "./reserved-addresses.ts";

export interface ExplainParts {
  readonly doors: Doors;
  readonly gate: EgressGate;
  readonly policy: PolicyWatch;
  readonly resolver: Resolver;
  readonly ownAddresses: OwnAddresses;
}

export interface EgressQuestion {
  readonly url: string;
  readonly network: Network;
  /** Of an open door, or empty. */
  readonly executionId: string;
  /** Whose door it must be; empty: anybody's. */
  readonly owner: string;
  /** As a door would be opened with; empty: as the last door told of them. */
  readonly clusterUrls: readonly string[];
}

/** What would be said to a request, through the code that says it. @throws DomainError invalid/FIELD_INVALID. */
export async function explainEgress(parts: ExplainParts, question: EgressQuestion): Promise<EgressExplanation> {
  const { url, network } = question;
  const asked = readUrl(url);
  const open = openDoor(parts.doors, question);
  const refusal = open === undefined ? refusalOf(parts.policy.policy, network) : undefined;
  if (refusal !== undefined) {
    const { reason, message, metadata } = refusal;
    return { ...NOTHING_FOUND, ...placeOf(asked), reason, message, hint: metadata["hint"] ?? "" };
  }
  if ("verdict" in asked) return { ...NOTHING_FOUND, ...placeOf(asked), ...wordsOf(asked) };
  return await judge(parts, { target: asked, open, gated: gatedDoor(parts, question, open) });
}

interface Subject {
  readonly target: EgressTarget;
  readonly open: OpenDoor | undefined;
  readonly gated: GatedDoor;
}

async function judge({ gate, policy: { policy } }: ExplainParts, { target, open, gated }: Subject): Promise<EgressExplanation> {
  const { verdict, addresses, jobRule, nodeRule } = await gate.decide(gated, target);
  const place = placeOf(target);
  const named = canonicalHost(target.host);
  const mayDial = (address: string): boolean =>
    named !== undefined &&
    decideAddresses({ policy, host: named, addresses: [address], ownAddresses: gated.reserved.known() }).verdict === "allow";
  const found = {
    ...place,
    jobRule,
    nodeRule,
    addresses: addresses.map((address) => ({ address, addressClass: classifyAddress(address) ?? "", isAllowed: mayDial(address) })),
  };
  const denial = verdict.verdict === "deny" ? verdict : open?.quotaDenial(place.host, 1);
  if (denial !== undefined) return { isAllowed: false, ...wordsOf(denial), ...found };
  const message = `${place.host} is let through: ${jobRule} on the job's list, ${nodeRule} on the node's.`;
  return { isAllowed: true, reason: "", message, hint: "", ...found };
}

const NOTHING_FOUND = { isAllowed: false, jobRule: "", nodeRule: "", addresses: [] };

function wordsOf({ reason, message, hint }: Denial): Pick<EgressExplanation, "reason" | "message" | "hint"> {
  return { reason, message, hint };
}

function placeOf(asked: EgressTarget | Denial): { readonly host: string; readonly port: number } {
  if ("verdict" in asked) return { host: asked.host, port: 0 };
  const host = canonicalHost(asked.host);
  return { host: host === undefined ? printable(asked.host) : formatHost(host), port: asked.port };
}

function openDoor(doors: Doors, { executionId, owner }: EgressQuestion): OpenDoor | undefined {
  const door = doors.find(executionId)?.door;
  return owner === "" || door?.record.owner === owner ? door : undefined;
}

/** With the cluster as the open door knows it; otherwise as one would that is opened now. */
function gatedDoor(parts: ExplainParts, { network, clusterUrls }: EgressQuestion, open: OpenDoor | undefined): GatedDoor {
  const clusterHosts = open?.rules.clusterHosts ?? knownCluster(parts, clusterUrls);
  const reserved = open?.reserved ?? new ReservedAddresses(clusterHosts, parts);
  return { rules: { mode: network.mode, rules: network.domains.map(parseHostRule), clusterHosts }, reserved };
}

/** The cluster is the same for all doors of this host. */
function knownCluster({ doors }: ExplainParts, clusterUrls: readonly string[]): readonly CanonicalHost[] {
  return clusterUrls.length > 0 ? clusterHostsOf(clusterUrls) : doors.clusterHosts();
}

/** As strict as with requests: what could be taken for another host is none. */
function readUrl(text: string): EgressTarget | Denial {
  const [, scheme = "", authority = ""] = /^(https?):\/\/([^/?#]*)/iu.exec(text) ?? [];
  if (scheme === "") {
    throw new DomainError("invalid", "FIELD_INVALID", `"${printable(text).slice(0, 200)}" is no http or https URL.`, {
      hint: "Give a URL such as https://example.com/.",
    });
  }
  const isHttps = scheme.toLowerCase() === "https";
  const split = splitAuthority(authority, isHttps ? 443 : 80);
  if (split !== undefined) return { ...split, scheme: isHttps ? "https" : "http" };
  return deny(printable(authority.replace(/^.*@/u, "")), "EGRESS_REQUEST_INVALID", {
    message: "The URL's host or port cannot be read.",
    hint: "Give a URL such as https://example.com/, without a user name.",
  });
}
