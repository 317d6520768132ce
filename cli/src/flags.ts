import { DomainError } from "@skrei/domain";

interface FlagBase {
  /** One letter, without the dash. */
  readonly short?: string;
  readonly summary: string;
  /** Shown among the common flags, before the rest. */
  readonly isCommon?: boolean;
  /** Accepted, but not shown: a spelling that people bring from elsewhere. */
  readonly isHidden?: boolean;
}

export interface BooleanFlag extends FlagBase {
  readonly kind: "boolean";
}

export interface ValueFlag<Value> extends FlagBase {
  readonly kind: "value";
  readonly metavar: string;
  /** Its value only follows a `=`; without one it is the empty text. */
  readonly isOptional?: boolean;
  readonly choices?: readonly string[];
  readonly parse: (text: string) => Value;
}

export interface ListFlag<Value> extends FlagBase {
  readonly kind: "list";
  readonly metavar: string;
  readonly choices?: readonly string[];
  readonly parse: (text: string) => Value;
}

export type Flag = BooleanFlag | ValueFlag<unknown> | ListFlag<unknown>;
export type Flags = Readonly<Record<string, Flag>>;

/** What `run` gets: false, undefined or an empty list for a flag that was not given. */
export type FlagValues<Table extends Flags> = {
  readonly [Name in keyof Table]: Table[Name] extends ListFlag<infer Value>
    ? readonly Value[]
    : Table[Name] extends ValueFlag<infer Value>
      ? Value | undefined
      : boolean;
};

type Extra = Omit<FlagBase, "summary">;
/** What completion offers as well. */
type ValueExtra = Extra & { readonly choices?: readonly string[] };

export function booleanFlag(summary: string, extra: Extra = {}): BooleanFlag {
  return { kind: "boolean", summary, ...extra };
}

export function valueFlag<Value>(metavar: string, summary: string, parse: (text: string) => Value, extra: Extra = {}): ValueFlag<Value> {
  return { kind: "value", metavar, summary, parse, ...extra };
}

/** `--name` or `--name=VALUE`, never `--name VALUE`: the next word may be an image. Empty when no value is given. */
export function optionalFlag(metavar: string, summary: string, extra: Extra = {}): ValueFlag<string> {
  return { kind: "value", metavar, isOptional: true, summary, parse: text, ...extra };
}

export function listFlag<Value>(metavar: string, summary: string, parse: (text: string) => Value, extra: ValueExtra = {}): ListFlag<Value> {
  return { kind: "list", metavar, summary, parse, ...extra };
}

/** A flag with a closed set of values; the refusal names them. */
export function choiceFlag<Choice extends string>(choices: readonly Choice[], summary: string, extra: Extra = {}): ValueFlag<Choice> {
  const parse = (text: string): Choice => {
    const found = choices.find((choice) => choice === text.toLowerCase());
    if (found === undefined) throw new DomainError("invalid", "FIELD_INVALID", `"${text}" is none of ${choices.join(", ")}.`);
    return found;
  };
  return { kind: "value", metavar: choices.join("|"), choices, summary, parse, ...extra };
}

export function text(value: string): string {
  return value;
}
