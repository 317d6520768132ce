/**
 * SQL that is true when something that stays needs the block `digest`: a pin (one that ends after `now`, if that is given), a folder
 * that is being staged (its root is shorter than a digest), or a result that is read in place.
 */
export function isNeeded(digest: string, now?: string): string {
  const isLasting = now === undefined ? "" : `AND (pin.expires_ms = 0 OR pin.expires_ms > ${now})`;
  return `EXISTS (SELECT 1 FROM member WHERE member.digest = ${digest} AND (length(member.root) < 32
    OR EXISTS (SELECT 1 FROM pin WHERE pin.root = member.root ${isLasting}) OR ${isRead("member.root")}))`;
}

/** SQL that is true when a result with this root is read in place. */
export function isRead(root: string): string {
  return `EXISTS (SELECT 1 FROM result JOIN lease ON lease.folder = result.folder WHERE result.root = ${root})`;
}
