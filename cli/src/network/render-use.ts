import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import type { Output } from "../output/terminal.ts";
import { describeCounts, hostRows, sumOf } from "./host-rows.ts";
import type { HostRow } from "./host-rows.ts";
import { HOST_COLUMNS } from "./use-table.ts";

interface Row {
  readonly executionId: string;
  readonly use: HostRow;
}

const OWNER: Column<Row> = { header: "EXECUTION", value: ({ executionId }) => executionId };

/** What the executions of a job asked of the network, a row a host; whose each row is, when they are several. */
export function renderUse(executions: readonly Pick<Execution, "executionId" | "networkUse">[], output: Output): readonly string[] {
  const rows: readonly Row[] = executions.flatMap(({ executionId, networkUse }) =>
    hostRows(networkUse).map((use) => ({ executionId, use })),
  );
  if (rows.length === 0) return [];
  const isOne = new Set(rows.map(({ executionId }) => executionId)).size === 1;
  const hosts = HOST_COLUMNS.filter(({ isWide }) => isWide !== true);
  const table = renderTable<Row>({ rows, columns: isOne ? hosts : [OWNER, ...hosts], output });
  return ["", `Network: ${describeCounts(sumOf(rows.map(({ use }) => use)))}`, ...table];
}
