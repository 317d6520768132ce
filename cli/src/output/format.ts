import type { DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import { booleanFlag, choiceFlag } from "../flags.ts";
import type { FlagValues } from "../flags.ts";
import { renderTable } from "./table.ts";
import type { Column } from "./table.ts";
import { answer } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

const FORMATS = ["table", "wide", "json", "jsonl", "yaml", "name"] as const;
export type Format = (typeof FORMATS)[number];

/** For commands that print records. */
export const OUTPUT_FLAGS = {
  output: choiceFlag(FORMATS, "form of the answer", { short: "o", isCommon: true }),
  json: booleanFlag("the same as -o json", { isCommon: true }),
  quiet: booleanFlag("only ids (the same as -o name)", { short: "q", isCommon: true }),
} as const;

export function formatOf(flags: FlagValues<typeof OUTPUT_FLAGS>): Format {
  if (flags.quiet) return "name";
  return flags.json ? "json" : (flags.output ?? "table");
}

/** Before anything is asked of the cluster. @throws DomainError invalid when the flags name two forms. */
export function refuseTwoForms({ json, output }: Readonly<Record<string, unknown>>): void {
  if (json !== true || typeof output !== "string" || output === "json") return;
  throw new DomainError("invalid", "FIELD_INVALID", `--json and --output ${output} contradict each other.`, { hint: "Give one." });
}

export interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** The id that `-o name` prints. */
  readonly nameOf: (row: Row) => string;
  readonly jsonOf: (row: Row) => JsonValue;
  readonly format: Format;
}

/** Prints a list: JSON as one array, jsonl one record a line. */
export async function printRows<Row>(terminal: Terminal, { rows, columns, nameOf, jsonOf, format }: Rows<Row>): Promise<void> {
  switch (format) {
    case "table":
    case "wide": {
      const shown = columns.filter((column) => format === "wide" || column.isWide !== true);
      return answer(terminal, ...renderTable({ rows, columns: shown, output: terminal.stdout }));
    }
    case "name":
      return answer(terminal, ...rows.map(nameOf));
    case "jsonl":
      return answer(terminal, ...rows.map((row) => JSON.stringify(jsonOf(row))));
    case "json":
      return answer(terminal, JSON.stringify(rows.map(jsonOf), null, 2));
    case "yaml":
      await terminal.stdout.write(await yamlOf(rows.map(jsonOf)));
  }
}

export interface Listing<Schema extends DescMessage> {
  readonly schema: Schema;
  readonly records: readonly MessageShape<Schema>[];
  readonly columns: readonly Column<MessageShape<Schema>>[];
  /** The id that `-o name` prints. */
  readonly nameOf: (record: MessageShape<Schema>) => string;
  readonly format: Format;
  /** False, zero and empty fields as well: where a false is the answer, its absence is none. */
  readonly isWhole?: boolean;
}

/** Prints a list of the API's records; their JSON is its own Protobuf JSON. */
export async function printListing<Schema extends DescMessage>(terminal: Terminal, listing: Listing<Schema>): Promise<void> {
  const { schema, records, isWhole = false, ...how } = listing;
  await printRows(terminal, { ...how, rows: records, jsonOf: (record) => toJson(schema, record, { alwaysEmitImplicit: isWhole }) });
}

/** Prints one record as data, or gives false when a table is asked for and the caller draws it. */
export async function printRecord<Schema extends DescMessage>(
  terminal: Terminal,
  schema: Schema,
  record: { value: MessageShape<Schema>; name: string; format: Format; isWhole?: boolean },
): Promise<boolean> {
  const json = (): JsonValue => toJson(schema, record.value, { alwaysEmitImplicit: record.isWhole === true });
  switch (record.format) {
    case "table":
    case "wide":
      return false;
    case "name":
      await answer(terminal, record.name);
      return true;
    case "jsonl":
      await answer(terminal, JSON.stringify(json()));
      return true;
    case "json":
      await answer(terminal, JSON.stringify(json(), null, 2));
      return true;
    case "yaml":
      await terminal.stdout.write(await yamlOf(json()));
      return true;
  }
}

async function yamlOf(value: JsonValue): Promise<string> {
  // Seldom asked for, and large.
  const { stringify } = await import("yaml");
  return stringify(value);
}
