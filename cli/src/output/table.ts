import { stripVTControlCharacters } from "node:util";
import { cleanLine } from "./clean-text.ts";
import type { Output } from "./terminal.ts";

export interface Column<Row> {
  readonly header: string;
  readonly value: (row: Row) => string;
  /** Colours a cleaned cell. */
  readonly style?: (cell: string, row: Row, output: Output) => string;
  readonly isRight?: boolean;
  /** Only with `-o wide`. */
  readonly isWide?: boolean;
}

/** Lines of a table without borders. Cells are cleaned and never cut: an id must be whole to be copied. */
export function renderTable<Row>({
  rows,
  columns,
  output,
}: {
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  output: Output;
}): readonly string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => columns.map((column) => ({ text: cleanLine(column.value(row)), column, row })));
  const widths = columns.map((column, index) => Math.max(width(column.header), ...cells.map((line) => width(line[index]?.text ?? ""))));
  const header = columns.map((column, index) => pad(column.header, { to: widths[index] ?? 0, isRight: column.isRight === true }));
  const lines = cells.map((line) =>
    line.map(({ text, column, row }, index) => {
      const styled = column.style?.(text, row, output) ?? text;
      return pad(styled, { to: widths[index] ?? 0, isRight: column.isRight === true });
    }),
  );
  return [output.style("dim", join(header)), ...lines.map(join)];
}

/** Columns that text takes; wide East Asian characters and emoji take two. */
function width(text: string): number {
  let columns = 0;
  for (const letter of stripVTControlCharacters(text)) {
    if (WIDE.test(letter)) columns += 2;
    else if (!ZERO.test(letter)) columns += 1;
  }
  return columns;
}

const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;
const ZERO = /\p{Mn}|\p{Me}/u;

function pad(text: string, { to, isRight }: { to: number; isRight: boolean }): string {
  const fill = " ".repeat(Math.max(0, to - width(text)));
  return isRight ? fill + text : text + fill;
}

function join(cells: readonly string[]): string {
  return cells.join("  ").trimEnd();
}
