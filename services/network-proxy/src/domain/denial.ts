import type { Reason } from "@skrei/domain";

/** A no that a person can act on. All of it is printable and short, for it goes into bodies, logs and terminals. */
export interface Denial {
  readonly verdict: "deny";
  /** Canonical, or what was asked for made printable and cut to 253 characters. */
  readonly host: string;
  readonly reason: Reason;
  /** One sentence. */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
}

export function deny(host: string, reason: Reason, { message, hint }: { readonly message: string; readonly hint: string }): Denial {
  return { verdict: "deny", host, reason, message, hint };
}

/** What is left to do about an address that no operator can open. */
export const NEVER_LISTABLE = "Tasks reach public addresses; no list can open this one.";
/** What is left to do about a rule that beats all lists. */
export const DENIED_BY_OPERATOR = "The node's operator denies it whatever is listed; ask there.";

/** Text of a stranger as it may be shown: everything but visible ASCII becomes `?`. */
export function printable(text: string): string {
  return text.slice(0, HOST_LENGTH_MAX).replaceAll(/[^\x21-\x7e]/gu, "?");
}

/** The first entries, so that a sentence stays one. */
export function listed(entries: readonly string[]): string {
  const [first = "nothing", ...others] = entries;
  let text = first;
  let count = 1;
  for (const entry of others.slice(0, LISTED_MAX - 1)) {
    if (text.length + entry.length > LISTED_LENGTH_MAX) break;
    text += `, ${entry}`;
    count += 1;
  }
  return entries.length > count ? `${text} and ${entries.length - count} more` : text;
}

const HOST_LENGTH_MAX = 253;
const LISTED_MAX = 5;
const LISTED_LENGTH_MAX = 200;
