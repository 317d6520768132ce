import { formatBytes } from "../parse/parse-bytes.ts";
import type { Column } from "../output/table.ts";
import type { HostRow } from "./host-rows.ts";

/** A row without a host is of an execution that has asked for nothing. */
interface Used {
  readonly use: HostRow | undefined;
  /** The execution may ask for anything, and nobody counts. */
  readonly isUncounted?: boolean;
}

/** What was done with a host. */
export const HOST_COLUMNS: readonly Column<Used>[] = [
  { header: "HOST", value: ({ use, isUncounted }) => use?.host ?? (isUncounted === true ? "(full: not counted)" : "-") },
  { header: "ALLOWED", value: counted(({ requests }) => String(requests)), isRight: true },
  {
    header: "DENIED",
    value: counted(({ denied }) => String(denied)),
    isRight: true,
    style: (cell, { use }, output) => (use !== undefined && use.denied > 0 ? output.style("red", cell) : cell),
  },
  { header: "SENT", value: counted(({ sentBytes }) => formatBytes(sentBytes)), isRight: true },
  { header: "RECEIVED", value: counted(({ receivedBytes }) => formatBytes(receivedBytes)), isRight: true },
  { header: "RULE", value: counted(({ rule }) => rule || "-"), isWide: true },
  {
    header: "LAST PROBLEM",
    value: ({ use }) => [use?.reason ?? "", use?.message ?? ""].filter((part) => part !== "").join(": "),
  },
];

function counted(value: (use: HostRow) => string): (row: Used) => string {
  return ({ use }) => (use === undefined ? "-" : value(use));
}
