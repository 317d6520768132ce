import { createHash } from "node:crypto";

/** Tells a repeated change from another one with the same numbers: the same parts in the same order give the same digest. */
export function changeDigest(parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("base64url");
}
