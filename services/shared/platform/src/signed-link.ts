import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { DomainError } from "@skrei/domain";

/** What a link permits: to read below a root, or to push the blocks of a root. */
export type LinkPurpose = "download" | "upload";

export interface SignedLink {
  readonly purpose: LinkPurpose;
  /** Root that the link is about. */
  readonly cid: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** Bytes that may be moved with an upload link; 0 is unbounded. */
  readonly bytesMax?: number;
}

/**
 * A URL-safe token `cid.expiry.bytes.signature` (expiry in ms and bytes, both in base 36) with an HMAC-SHA256 over
 * `skrei-link|purpose|cid|expiry|bytes`. Put it into a query or send it as `authorization: Bearer`.
 */
export function signLink({ key, purpose, cid, expiresAtMs, bytesMax = 0 }: SignedLink & { readonly key: string }): string {
  const body = [cid, Math.trunc(expiresAtMs).toString(36), Math.trunc(bytesMax).toString(36)].join(".");
  return `${body}.${signatureOf(key, purpose, body).toString("base64url")}`;
}

/**
 * What a token permits. The caller still compares `cid` with what is asked for.
 * @throws DomainError unauthenticated/LINK_INVALID when the signature, the purpose or the form is wrong or the link has expired.
 */
export function verifyLink({
  key,
  purpose,
  token,
  nowMs,
}: {
  readonly key: string;
  readonly purpose: LinkPurpose;
  readonly token: string;
  readonly nowMs: number;
}): Required<SignedLink> {
  const [, body = "", cid = "", expiry = "", bytes = "", signature = ""] = TOKEN.exec(token) ?? [];
  // Compared even when the form is wrong, so that the time taken says nothing.
  const isSigned = isSameSecret(signature, signatureOf(key, purpose, body).toString("base64url"));
  if (!isSigned || body === "") {
    throw new DomainError("unauthenticated", "LINK_INVALID", `The ${purpose} link has a wrong signature.`, {
      hint: "Ask the scheduler for a new link.",
    });
  }
  const expiresAtMs = Number.parseInt(expiry, 36);
  if (expiresAtMs <= nowMs) {
    throw new DomainError(
      "unauthenticated",
      "LINK_INVALID",
      `The ${purpose} link expired ${Math.ceil((nowMs - expiresAtMs) / 1000)} s ago.`,
      {
        hint: "Ask the scheduler for a new link.",
      },
    );
  }
  return { purpose, cid, expiresAtMs, bytesMax: Number.parseInt(bytes, 36) };
}

/** Compares two secrets by their SHA-256 digests: neither length nor the first different byte shows in the time taken. */
export function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}

function signatureOf(key: string, purpose: LinkPurpose, body: string): Buffer {
  return createHmac("sha256", key)
    .update(`skrei-link|${purpose}|${body.replaceAll(".", "|")}`)
    .digest();
}

const TOKEN = /^(([a-z0-9]{1,128})\.([0-9a-z]{1,10})\.([0-9a-z]{1,11}))\.([\w-]{43})$/u;
