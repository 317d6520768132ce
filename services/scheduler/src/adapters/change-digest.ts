import { createHash } from "node:crypto";

/** Tells a repeated change from another one with the same numbers: the same parts in the same order give the same digest. */
export function changeDigest(parts: readonly string[]): string {
  // Two updates, not two a part: most of the cost is the call. The lengths tell ["a", "bc"] from ["ab", "c"].
  const lengths = parts.map((part) => part.length).join(",");
  return createHash("sha256").update(lengths).update(";").update(parts.join("")).digest("base64url");
}
