import type { Execution, NetworkUse } from "@skrei/domain";
import { cutText } from "./cut-text.ts";

/** What an event says of refused requests. The hosts beyond those that a count lists have no reason of their own. */
export interface EgressDenial {
  readonly reason?: string;
  readonly message: string;
}

/** Hosts that were refused for the first time between two looks at the count: at most 64, and one for all that are not listed. */
export function firstDenials(before: NetworkUse | undefined, after: NetworkUse | undefined): readonly EgressDenial[] {
  if (after === undefined || after === before || after.denied === 0) return NONE;
  const known = new Set(before?.hosts.flatMap(({ host, denied }) => (denied > 0 ? [host] : [])));
  const denials = after.hosts.flatMap(({ host, denied, reason, message }) =>
    denied > 0 && !known.has(host) ? [{ reason, message: naming(host, message) }] : [],
  );
  if (unlisted(after) > 0 && unlisted(before) <= 0) denials.push({ reason: "", message: "Requests to further hosts were refused." });
  return denials.map(denialOf);
}

/** The sums when the execution has ended, of what was refused more than once. */
export function finalDenials({ networkUse: use }: Execution): readonly EgressDenial[] {
  if (use === undefined || use.denied < 2) return NONE;
  const denials = use.hosts.flatMap(({ host, denied, reason, message }) =>
    denied > 1
      ? [{ reason, message: `${denied} requests to ${host} were refused${message === "" ? "." : `, the last one: ${message}`}` }]
      : [],
  );
  if (unlisted(use) > 1) denials.push({ reason: "", message: `${unlisted(use)} requests to further hosts were refused.` });
  return denials.map(denialOf);
}

/** Refusals of hosts beyond the list. */
function unlisted(use: NetworkUse | undefined): number {
  return use === undefined ? 0 : use.denied - use.hosts.reduce((sum, { denied }) => sum + denied, 0);
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
