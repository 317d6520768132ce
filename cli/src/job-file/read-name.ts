import type { FieldCursor } from "./field-cursor.ts";

const LENGTH_MAX = 63;
const FORM = /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/u;

/** A name as this version takes it. Bacalhau allows any text: such a text becomes a name of its letters, and is kept as `displayName`. */
export function readName(field: FieldCursor): { name: string; displayName?: string } {
  const text = field.text() ?? "";
  const name = slugOf(text);
  if (text === "" || name === "" || (FORM.test(text) && text.length <= LENGTH_MAX)) return { name: text };
  field.note(`"${text}" is taken as the name ${name}`);
  return { name, displayName: text };
}

function slugOf(text: string): string {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[^a-z0-9.]+/gu, "-")
    .slice(0, LENGTH_MAX)
    .replaceAll(/^[-.]+|[-.]+$/gu, "");
}
