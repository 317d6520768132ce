import { DomainError } from "@skrei/domain";
import { badValue } from "./bad-value.ts";

export type Options = ReadonlyMap<string, string>;

/** The fields of a line of CSV: commas part them, and `"a,b"` is one. */
export function splitFields(text: string): readonly string[] {
  const fields = Array.from(`,${text}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,"][^,]*|))(?=,|$)/gsu), ([whole, quoted, plain = ""]) => ({
    length: whole.length,
    value: quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  }));
  if (fields.reduce((sum, { length }) => sum + length, 0) !== text.length + 1) throw badValue(text, "a list whose quotes are closed");
  return fields.map(({ value }) => value);
}

/** `rest` is `key=value` of each `opt=`; names in lower case. */
export function readOptions(texts: readonly string[]): Options {
  return new Map(
    texts.map((text) => {
      const [name, value] = splitAt(text, "=");
      return [name.toLowerCase(), value];
    }),
  );
}

export function splitAt(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** The value of the first of these names that is there. */
export function optionOf(options: Options, names: readonly string[]): string | undefined {
  const name = names.find((candidate) => options.has(candidate));
  return name === undefined ? undefined : options.get(name);
}

/** True for `opt=rw`, `opt=rw=true`. */
export function isSwitchedOn(options: Options, names: readonly string[]): boolean {
  const value = optionOf(options, names);
  if (value === undefined || value.toLowerCase() === "false") return false;
  if (value === "" || value.toLowerCase() === "true") return true;
  throw badValue(value, `true or false, as ${names[0] ?? "it"} must be`);
}

/** @throws DomainError invalid/FIELD_UNKNOWN for an option that nothing reads. */
export function refuseOthers(
  options: Options,
  { what, known, shown = known }: { what: string; known: readonly string[]; shown?: readonly string[] },
): void {
  for (const name of options.keys()) {
    if (known.includes(name)) continue;
    throw new DomainError("invalid", "FIELD_UNKNOWN", `${what} has an unknown option "${name}".`, {
      hint: shown.length === 0 ? "There are no options here." : `Options here: ${shown.join(", ")}.`,
    });
  }
}
