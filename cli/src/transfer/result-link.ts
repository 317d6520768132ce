/**
 * True when a symlink at `path` (names below the folder that stays together) leads to nothing outside of that folder. `..` counts
 * only at the start, where real folders lie above: after a name, that name may be a link and `..` lead anywhere.
 */
export function staysInside(path: readonly string[], target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
  const names = target.split("/").filter((name) => name !== "" && name !== ".");
  const up = names.findIndex((name) => name !== "..");
  if (up >= 0 && names.includes("..", up)) return false;
  return (up < 0 ? names.length : up) < path.length;
}
