import { createHash } from "node:crypto";
import { DomainError, LIMITS } from "@skrei/domain";

/** The number of items for a page. @throws DomainError invalid/FIELD_INVALID. */
export function pageSizeOf(requested: number, defaultSize = 100): number {
  if (requested === 0) return defaultSize;
  if (requested > 0 && requested <= LIMITS.pageSizeMax) return requested;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `page_size is ${requested}; allowed are 1 to ${LIMITS.pageSizeMax}, or 0 for ${defaultSize}.`,
  );
}

/** An opaque token for the place after `cursor` in the list that `scope` names. */
export function pageTokenFor(scope: readonly string[], cursor: string): string {
  return Buffer.from(`${digestOf(scope)}${cursor}`).toString("base64url");
}

/**
 * The cursor, or undefined for an empty token.
 * @throws DomainError invalid/PAGE_TOKEN_INVALID for a token of another list, or one whose cursor `parse` does not know.
 */
export function cursorOf<Cursor>(scope: readonly string[], token: string, parse: (text: string) => Cursor | undefined): Cursor | undefined {
  if (token === "") return undefined;
  const text = token.length <= TOKEN_MAX ? Buffer.from(token, "base64url").toString() : "";
  const digest = digestOf(scope);
  const cursor = text.startsWith(digest) ? parse(text.slice(digest.length)) : undefined;
  if (cursor !== undefined) return cursor;
  throw new DomainError("invalid", "PAGE_TOKEN_INVALID", "The page token is not from this list with this filter.", {
    hint: "Use the token of the previous page with the same request, or start without one.",
  });
}

/** For `cursorOf`: the number of an event. */
export function parseSequence(text: string): number | undefined {
  return /^\d{1,15}$/u.test(text) ? Number(text) : undefined;
}

/** Short digest that binds tokens to what they are about. */
function digestOf(scope: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(scope)).digest("base64url").slice(0, 12);
}

const TOKEN_MAX = 2_048;
