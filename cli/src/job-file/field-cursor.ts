import { isAlias, isMap, isScalar, isSeq } from "yaml";
import type { Document, Node, Pair } from "yaml";
import type { Reason } from "@skrei/domain";
import { suggestion } from "../parse/did-you-mean.ts";
import type { JobFileReport } from "./problems.ts";
import type { Position, YamlSource } from "./yaml-document.ts";

/** A shape nested deeper than this is no job file; also the bound against aliases that contain themselves. */
const DEPTH_MAX = 20;

export type FieldReaders = Readonly<Record<string, (field: FieldCursor) => void>>;

/** One value of the file, with its place. Every reader reports what is wrong and answers undefined then. */
export class FieldCursor {
  readonly #source: YamlSource;
  readonly #report: JobFileReport;
  readonly #node: Node | undefined;
  readonly #name: string;
  readonly #depth: number;
  readonly position: Position;

  constructor(source: YamlSource, report: JobFileReport, at: { node: unknown; name: string; position?: Position; depth?: number }) {
    this.#source = source;
    this.#report = report;
    this.#node = resolve(at.node, source.document);
    this.#name = at.name;
    this.#depth = at.depth ?? 0;
    this.position = at.position ?? source.positionAt((at.node as Node | null)?.range?.[0] ?? 0);
    if (this.#depth > DEPTH_MAX) this.problem("FIELD_INVALID", `${this.#name} is nested too deeply.`);
  }

  get isNull(): boolean {
    return this.#depth > DEPTH_MAX || this.#node === undefined || (isScalar(this.#node) && this.#node.value === null);
  }

  get isMapping(): boolean {
    return isMap(this.#node);
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  /** Notes where a field of the spec comes from, for the server's refusals. */
  is(specPath: string): this {
    this.#report.remember(specPath, { position: this.position, name: this.#name });
    return this;
  }

  /** Notes that a value comes from this field, for refusals that are found later. */
  made<Value extends object>(value: Value): Value {
    this.#report.rememberOrigin(value, { position: this.position, name: this.#name });
    return value;
  }

  /** Says on the way what of this field was changed. */
  note(text: string): void {
    this.#report.note(this.position, `${this.#name}: ${text}`);
  }

  problem(reason: Reason, message: string): undefined {
    this.#report.add(this.position, reason, message);
    return undefined;
  }

  /** Reads a mapping whose keys match in any case; unknown and repeated keys are problems. A null is an empty mapping. */
  fields(readers: FieldReaders): void {
    if (this.isNull) return;
    const pairs = this.#pairs();
    const seen = new Set<string>();
    for (const { key, value } of pairs) {
      const known = Object.keys(readers).find((name) => name.toLowerCase() === key.text.toLowerCase());
      const read = known === undefined ? undefined : readers[known];
      const field = this.#child(value, known ?? key.text, key.position);
      if (read === undefined)
        field.problem("FIELD_UNKNOWN", `unknown field "${key.text}" in ${this.#name}${expectation(key.text, Object.keys(readers))}`);
      else if (seen.has(key.text.toLowerCase())) field.problem("FIELD_INVALID", `field "${key.text}" appears twice in ${this.#name}`);
      else read(field);
      seen.add(key.text.toLowerCase());
    }
  }

  /** A mapping with keys of the user's choice. */
  entries(): readonly { readonly key: string; readonly value: FieldCursor }[] {
    if (this.isNull) return [];
    const seen = new Set<string>();
    const entries: { key: string; value: FieldCursor }[] = [];
    for (const { key, value } of this.#pairs()) {
      const field = this.#child(value, `${this.#name}.${key.text}`, key.position);
      if (seen.has(key.text)) field.problem("FIELD_INVALID", `"${key.text}" appears twice in ${this.#name}`);
      seen.add(key.text);
      entries.push({ key: key.text, value: field });
    }
    return entries;
  }

  stringMap(): Record<string, string> {
    return Object.fromEntries(this.entries().map(({ key, value }) => [key, value.plainText() ?? ""]));
  }

  list(): readonly FieldCursor[] {
    if (this.isNull) return [];
    if (!isSeq(this.#node)) {
      this.problem("FIELD_INVALID", `${this.#name} must be a list, not ${this.#kind()}.`);
      return [];
    }
    return this.#node.items.map((node, index) => this.#child(node, `${this.#name}[${index}]`));
  }

  strings(): readonly string[] {
    return this.list().flatMap((item) => item.plainText() ?? []);
  }

  /** A string; numbers and booleans must be quoted. */
  text(): string | undefined {
    if (isScalar(this.#node) && typeof this.#node.value === "string") return this.#node.value;
    return this.problem("FIELD_INVALID", `${this.#name} must be text, not ${this.#kind()}.`);
  }

  /** A string, or a number or boolean as it is written. */
  plainText(): string | undefined {
    if (isScalar(this.#node) && (typeof this.#node.value === "number" || typeof this.#node.value === "boolean"))
      return this.#node.source ?? String(this.#node.value);
    return this.text();
  }

  integer(min: number, max: number): number | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    const got = typeof value === "number" ? String(value) : this.#kind();
    return this.problem("FIELD_INVALID", `${this.#name} must be a whole number from ${min} to ${max}, not ${got}.`);
  }

  boolean(): boolean | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === "boolean") return value;
    if (value === "true" || value === "false") return value === "true";
    return this.problem("FIELD_INVALID", `${this.#name} must be true or false, not ${this.#kind()}.`);
  }

  /** The text through a parser of ours; its refusal becomes a problem here. */
  parsed<Value>(parse: (text: string) => Value): Value | undefined {
    const text = this.plainText();
    return text === undefined ? undefined : this.attempt(() => parse(text));
  }

  /** Runs a check that refuses by throwing; the refusal becomes a problem here. */
  attempt<Value>(check: () => Value): Value | undefined {
    try {
      return check();
    } catch (error) {
      this.#report.addError({ position: this.position, name: this.#name }, error);
      return undefined;
    }
  }

  #child(node: unknown, name: string, position?: Position): FieldCursor {
    return new FieldCursor(this.#source, this.#report, {
      node,
      name,
      depth: this.#depth + 1,
      ...(position === undefined ? {} : { position }),
    });
  }

  #pairs(): readonly { key: { text: string; position: Position }; value: unknown }[] {
    if (!isMap(this.#node)) {
      this.problem("FIELD_INVALID", `${this.#name} must be a mapping, not ${this.#kind()}.`);
      return [];
    }
    return (this.#node.items as Pair<unknown, unknown>[]).map(({ key, value }) => {
      const scalar = isScalar(key) ? key : undefined;
      return { key: { text: String(scalar?.value ?? ""), position: this.#source.positionAt(scalar?.range?.[0] ?? 0) }, value };
    });
  }

  #kind(): string {
    if (isMap(this.#node)) return "a mapping";
    if (isSeq(this.#node)) return "a list";
    const value = isScalar(this.#node) ? this.#node.value : null;
    if (value === null || value === undefined) return "nothing";
    return typeof value === "string" ? `"${value}"` : `the ${typeof value} ${String(value)}`;
  }
}

/** What was meant, or all that there is where that is little. */
function expectation(word: string, names: readonly string[]): string {
  const found = suggestion(word, names);
  return found !== "" || names.length > NAMES_SHOWN ? found : `; expected ${names.join(", ")}`;
}

const NAMES_SHOWN = 6;

function resolve(node: unknown, document: Document): Node | undefined {
  if (node === null || node === undefined) return undefined;
  return isAlias(node) ? (node.resolve(document) as Node | undefined) : (node as Node);
}
