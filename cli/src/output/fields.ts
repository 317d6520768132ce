import { cleanLine } from "./clean-text.ts";

/** `key  value` lines, aligned; empty values are left out. Values are cleaned. */
export function renderFields(fields: readonly (readonly [key: string, value: string])[]): readonly string[] {
  const shown = fields.filter(([, value]) => value !== "");
  const width = Math.max(0, ...shown.map(([key]) => key.length));
  return shown.map(([key, value]) => `${key.padEnd(width)}  ${cleanLine(value)}`);
}
