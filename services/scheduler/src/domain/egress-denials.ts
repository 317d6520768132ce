import { denialReasonsOf } from "@skrei/domain";
import type { Execution, HostUse, NetworkUse } from "@skrei/domain";
import { cutText } from "./cut-text.ts";

/** What an event says of refused requests. The hosts beyond those that a count lists have no reason of their own. */
export interface EgressDenial {
  readonly reason?: string;
  readonly message: string;
}

/**
 * Hosts that were refused for a reason for the first time between two looks at the count: at most eight times 64, and one for all that
 * are not listed.
 */
export function firstDenials(before: NetworkUse | undefined, after: NetworkUse | undefined): readonly EgressDenial[] {
  if (after === undefined || after === before || after.denied === 0) return NONE;
  const known = new Map(before?.hosts.map((use) => [use.host, reasonsOf(use)]));
  const denials = after.hosts.flatMap((use) =>
    reasonsOf(use)
      .filter((reason) => known.get(use.host)?.includes(reason) !== true)
      .map((reason) => ({ reason, message: wordsOf(use, reason) })),
  );
  if (unlisted(after) > 0 && unlisted(before) <= 0) denials.push({ reason: "", message: "Requests to further hosts were refused." });
  return denials.map(denialOf);
}

/** The sums when the execution has ended, of what was refused more than once. */
export function finalDenials({ networkUse: use }: Execution): readonly EgressDenial[] {
  if (use === undefined || use.denied < 2) return NONE;
  const denials = use.hosts.flatMap((host) => (host.denied > 1 ? [sumOf(host)] : []));
  if (unlisted(use) > 1) denials.push({ reason: "", message: `${unlisted(use)} requests to further hosts were refused.` });
  return denials.map(denialOf);
}

/** Refusals of hosts beyond the list. */
function unlisted(use: NetworkUse | undefined): number {
  return use === undefined ? 0 : use.denied - use.hosts.reduce((sum, { denied }) => sum + denied, 0);
}

/** An empty one of a host that was refused nobody knows why. */
function reasonsOf(use: HostUse): readonly string[] {
  const reasons = denialReasonsOf(use);
  return reasons.length === 0 && use.denied > 0 ? [""] : reasons;
}

/** A count has the words of what went wrong last, which may be something else. */
function wordsOf({ host, reason: last, message }: HostUse, reason: string): string {
  return reason === last ? naming(host, message) : `Requests to ${host} were refused: ${reason}.`;
}

function sumOf(use: HostUse): { reason: string; message: string } {
  const { host, denied, message } = use;
  const reasons = reasonsOf(use);
  const sum = `${denied} requests to ${host} were refused`;
  if (!reasons.includes(use.reason)) return { reason: reasons.at(-1) ?? "", message: `${sum}.` };
  return { reason: use.reason, message: message === "" ? `${sum}.` : `${sum}, the last one: ${message}` };
}

function naming(host: string, message: string): string {
  if (message === "") return `A request to ${host} was refused.`;
  return message.includes(host) ? message : `${host}: ${message}`;
}

function denialOf({ reason, message }: { reason: string; message: string }): EgressDenial {
  return { ...(reason !== "" && { reason }), message: cutText(message, MESSAGE_LENGTH_MAX) };
}

const NONE: readonly EgressDenial[] = [];
const MESSAGE_LENGTH_MAX = 1_024;
