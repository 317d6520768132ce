/**
 * A glob over paths as an RE2 pattern: `*` and `?` stay inside a name, `**` as a whole segment stands for any folders (also none), and
 * there are `[a-z]`, `[!a-z]`, `{a,b}` and `\` before a letter that is meant as it stands. What is never closed is meant as it stands.
 */
export function globToPattern(glob: string): string {
  const parts = glob.match(TOKENS) ?? [];
  const balance = parts.reduce((open, token) => (open < 0 ? open : open + (BRACES.get(token) ?? 0)), 0);
  const withBraces = balance === 0;
  let open = 0;
  const pattern = parts.map((token) => {
    open += BRACES.get(token) ?? 0;
    if (withBraces && BRACES.has(token)) return token === "{" ? "(?:" : ")";
    return token === "," && withBraces && open > 0 ? "|" : tokenPattern(token);
  });
  return `^(?s:${pattern.join("")})$`;
}

function tokenPattern(token: string): string {
  if (token === "**/") return "(?:[^/]+/)*";
  if (token === "**") return ".*";
  if (token.startsWith("*")) return "[^/]*";
  if (token === "?") return "[^/]";
  if (token.length > 1 && token.startsWith("[")) return classPattern(token.slice(1, -1));
  return escaped(token.length > 1 && token.startsWith("\\") ? token.slice(1) : token);
}

/** What stands between brackets. */
function classPattern(inside: string): string {
  const isNegated = /^[!^]./su.test(inside);
  const members = Array.from((isNegated ? inside.slice(1) : inside).matchAll(/(.)-(.)|./gsu), ([one, from, to]) => {
    if (from === undefined || to === undefined) return escaped(one);
    // A range from high to low has no members.
    return from <= to ? `${escaped(from)}-${escaped(to)}` : "";
  }).join("");
  if (isNegated) return `[^/${members}]`;
  return members === "" ? NOTHING : `[${members}]`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|&~-]/gu, String.raw`\$&`);
}

const TOKENS = /(?<=^|\/)\*\*(?:\/|$)|\*+|\?|\\.|\[[!^]?\]?[^\]/]+\]|\[\]\]|./gsu;
const BRACES = new Map([
  ["{", 1],
  ["}", -1],
]);
/** A character that is none. */
const NOTHING = String.raw`[^\x{0}-\x{10FFFF}]`;
