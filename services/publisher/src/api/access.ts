import { DomainError } from "@skrei/domain";
import { isSameSecret, verifyLink } from "@skrei/platform/signed-link.ts";
import type { Clock } from "../ports.ts";

export interface AccessKeys {
  /** The cluster's own token for BlockService; empty shuts it. */
  readonly publishToken: string;
  /** Key of download and upload links; empty shuts them. */
  readonly linkSecret: string;
}

/** What a caller of BlockService may do. */
export type BlockAccess =
  | { readonly kind: "cluster" }
  | { readonly kind: "upload"; readonly cid: string; readonly bytesMax: number; readonly link: string; readonly expiresAtMs: number };

/** @throws DomainError unauthenticated/TOKEN_INVALID, unauthenticated/LINK_INVALID. */
export function checkBlockAccess(header: string | null, keys: AccessKeys, clock: Clock): BlockAccess {
  const token = tokenOf(header);
  if (token === "")
    throw new DomainError("unauthenticated", "TOKEN_INVALID", "The call has no bearer token.", {
      hint: "Send `authorization: Bearer …` with the token of an upload link.",
    });
  if (keys.publishToken !== "" && isSameSecret(token, keys.publishToken)) return { kind: "cluster" };
  const { cid, bytesMax, expiresAtMs } = checkLink("upload", token, keys, clock);
  return { kind: "upload", cid, bytesMax, link: token, expiresAtMs };
}

/** @throws DomainError unauthenticated/TOKEN_INVALID. */
export function checkClusterToken(requestHeader: Headers, { publishToken }: Pick<AccessKeys, "publishToken">): void {
  const token = tokenOf(requestHeader.get("authorization"));
  if (publishToken !== "" && token !== "" && isSameSecret(token, publishToken)) return;
  throw new DomainError("unauthenticated", "TOKEN_INVALID", "What a store keeps is only for the cluster, and this is not its token.", {
    hint: "Set publishTokenFile of the caller to the cluster's token.",
  });
}

function tokenOf(header: string | null): string {
  return /^Bearer (\S+)$/iu.exec(header ?? "")?.[1] ?? "";
}

/** The root that a download link is for. @throws DomainError unauthenticated/LINK_INVALID. */
export function checkDownloadLink(token: string, keys: AccessKeys, clock: Clock): string {
  return checkLink("download", token, keys, clock).cid;
}

function checkLink(purpose: "download" | "upload", token: string, { linkSecret }: AccessKeys, clock: Clock): ReturnType<typeof verifyLink> {
  // An empty key would let anybody sign.
  if (linkSecret === "")
    throw new DomainError("unauthenticated", "LINK_INVALID", "This store takes no links: it has no link key.", {
      hint: "Set linkSecretFile to the cluster's link key.",
    });
  return verifyLink({ key: linkSecret, purpose, token, nowMs: clock.nowMs() });
}
