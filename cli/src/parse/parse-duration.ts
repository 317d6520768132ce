import { badValue } from "./bad-value.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/u;
const PIECE = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/gu;
const DURATION_MS_MAX = 3650 * 86_400_000;

/** Milliseconds of `90s`, `1h30m`, `250ms`, `2d`. A number without a unit is refused: it may be meant in any. */
export function parseDuration(text: string): number {
  const plain = text.trim().toLowerCase();
  if (!FORM.test(plain)) throw badValue(text, "a duration such as 90s, 10m, 1h30m or 7d");
  let total = 0;
  for (const [, amount, unit] of plain.matchAll(PIECE)) total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  if (total > DURATION_MS_MAX) throw badValue(text, "a duration of at most 3650d");
  return Math.round(total);
}

/** The same form back: `1h30m`, `90s` is `1m30s`, `250ms`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.max(0, Math.round(durationMs))}ms`;
  if (durationMs < 10_000) return `${(Math.round(durationMs / 100) / 10).toString()}s`;
  let rest = Math.round(durationMs / 1_000);
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const amount = Math.floor(rest / seconds);
    rest -= amount * seconds;
    if (amount > 0) parts.push(`${amount}${unit}`);
  }
  return parts.slice(0, 2).join("");
}
