import { badValue } from "./bad-value.ts";

/** `KEY=VALUE`; the value may be empty and may hold further `=`. */
export function parseKeyValue(text: string): readonly [key: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw badValue(text, "of the form KEY=VALUE");
  return [text.slice(0, at), text.slice(at + 1)];
}
