import { toJson } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { ExecutionNetworkUseSchema } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import type { ExecutionNetworkUse } from "@skrei/proto/skrei/network/v1/network_service_pb.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, text, valueFlag } from "../flags.ts";
import { describeCounts, hostRows, sumOf } from "../network/host-rows.ts";
import type { HostRow } from "../network/host-rows.ts";
import { listWaitingJobs, renderWaiting } from "../network/waiting-jobs.ts";
import { HOST_COLUMNS } from "../network/use-table.ts";
import { cleanLine } from "../output/clean-text.ts";
import { countOf } from "../output/count-of.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import type { Format } from "../output/format.ts";
import { renderTable } from "../output/table.ts";
import type { Column } from "../output/table.ts";
import { answer, say } from "../output/terminal.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { executionStateOf } from "../run/job-words.ts";
import type { Session } from "../session.ts";

export const netList = defineCommand({
  path: "net list",
  aliases: ["ls"],
  summary: "List the hosts that jobs ask for, with bytes and refusals.",
  args: [{ name: "job", summary: "id, unique prefix or name; all that have not ended when left out", completes: "job" }],
  flags: {
    ...OUTPUT_FLAGS,
    watch: booleanFlag("a line at each change, until Ctrl-C", { short: "w", isCommon: true }),
    limit: valueFlag("N", "at most so many executions; default 100", integerBetween(1, 1_000), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
  },
  examples: ["skrei net list", "skrei net list j-01ab -o wide", "skrei net list --watch -o jsonl"],
  exitCodes: { 3: "no such job, or several", 130: "ended with Ctrl-C" },
  run: async ({ args: [jobId = ""], flags, session }) => {
    const format = formatOf(flags);
    if (flags.watch) return watch(session, jobId, format);
    const limit = flags.limit ?? 100;
    const page = await session.cluster.network.listNetworkUse({ jobId, pageSize: limit, pageToken: flags["page-token"] ?? "" });
    if (format !== "table" && format !== "wide") await printRecords(session, page.executions, format);
    else await printTables(session, page.executions, { jobId, format, isLastPage: page.nextPageToken === "" });
    const next = `skrei net list ${jobId === "" ? "" : `${jobId} `}--limit ${limit} --page-token ${page.nextPageToken}`;
    if (page.nextPageToken !== "") await say(session.terminal, `next: ${next}`);
  },
});

async function printRecords(session: Session, executions: readonly ExecutionNetworkUse[], format: Format): Promise<void> {
  await printListing(session.terminal, {
    schema: ExecutionNetworkUseSchema,
    records: executions,
    columns: [],
    nameOf: ({ executionId }) => executionId,
    format,
    isWhole: true,
  });
}

/** What runs, or ran, and below it what waits. */
async function printTables(
  session: Session,
  executions: readonly ExecutionNetworkUse[],
  { jobId, format, isLastPage }: { readonly jobId: string; readonly format: Format; readonly isLastPage: boolean },
): Promise<void> {
  const { terminal } = session;
  const columns = COLUMNS.filter((column) => format === "wide" || column.isWide !== true);
  await answer(terminal, ...renderTable({ rows: executions.flatMap(rowsOf), columns, output: terminal.stdout }));
  if (!isLastPage) return;
  const waiting = await listWaitingJobs(session, jobId);
  if (executions.length > 0 && waiting.length > 0) await answer(terminal, "");
  await answer(terminal, ...renderWaiting(waiting, terminal.stdout));
  await say(terminal, footer(executions, { jobId, waiting: waiting.length }));
}

/** One row of the table; an execution that has asked for nothing has one without a host. */
interface Row {
  readonly execution: ExecutionNetworkUse;
  readonly use: HostRow | undefined;
  readonly isUncounted: boolean;
}

function rowsOf(execution: ExecutionNetworkUse): readonly Row[] {
  const rows = hostRows(execution.use);
  const isUncounted = isUncountedMode(execution);
  return rows.length === 0 ? [{ execution, use: undefined, isUncounted }] : rows.map((use) => ({ execution, use, isUncounted }));
}

/** Containers in mode full go past the proxy; what modules do there has been counted once they ask for something. */
function isUncountedMode({ network }: ExecutionNetworkUse): boolean {
  return network?.mode === Network_Mode.FULL;
}

const COLUMNS: readonly Column<Row>[] = [
  { header: "JOB", value: ({ execution }) => nameOf(execution) },
  { header: "PART", value: ({ execution }) => String(execution.partition), isRight: true },
  { header: "NODE", value: ({ execution: { nodeName, nodeId } }) => nodeName || nodeId },
  { header: "EXECUTION", value: ({ execution }) => execution.executionId, isWide: true },
  { header: "STATE", value: ({ execution }) => executionStateOf(execution), isWide: true },
  ...HOST_COLUMNS,
];

function nameOf({ jobName, jobId }: ExecutionNetworkUse): string {
  return jobName === "" ? jobId : jobName;
}

function footer(
  executions: readonly ExecutionNetworkUse[],
  { jobId, waiting }: { readonly jobId: string; readonly waiting: number },
): string {
  const waits = waiting === 0 ? "" : `${countOf(waiting, "job")} ${waiting === 1 ? "waits" : "wait"} for a node`;
  if (executions.length === 0) {
    if (waits !== "") return waits;
    return jobId === ""
      ? "no execution with a network is under way; jobs get one with --network api.example.com"
      : `${jobId} has no execution with a network; jobs get one with --network api.example.com`;
  }
  const rows = executions.flatMap(({ use }) => hostRows(use));
  const none = executions.every(isUncountedMode) ? "full: not counted" : "nothing asked for yet";
  const counts = rows.length === 0 ? none : describeCounts(sumOf(rows));
  return `${countOf(executions.length, "execution")}: ${counts}${waits === "" ? "" : `; ${waits}`}`;
}

/** A line for each host whose numbers are new. */
async function watch(session: Session, jobId: string, format: Format): Promise<void> {
  if (format !== "table" && format !== "jsonl")
    throw new DomainError("invalid", "FIELD_INVALID", `--watch prints lines, which -o ${format} has none of.`, {
      hint: "Give -o jsonl, or leave it out.",
    });
  const said = new Map<string, string>();
  for await (const { executions } of session.cluster.network.watchNetworkUse({ jobId }, { signal: session.signal })) {
    for (const [key, line] of executions.flatMap((execution) => linesOf(execution, format))) {
      if (said.get(key) !== line) await answer(session.terminal, line);
      said.set(key, line);
    }
  }
}

function linesOf(execution: ExecutionNetworkUse, format: Format): readonly (readonly [key: string, line: string])[] {
  const { executionId, partition, nodeName, nodeId } = execution;
  if (format === "jsonl")
    return [[executionId, JSON.stringify(toJson(ExecutionNetworkUseSchema, execution, { alwaysEmitImplicit: true }))]];
  return hostRows(execution.use).map((use) => {
    const problem = use.message === "" ? "" : `; last problem: ${use.message}`;
    const line = `${nameOf(execution)}, part ${partition} on ${nodeName || nodeId}: ${use.host}, ${describeCounts(use)}${problem}`;
    return [`${executionId} ${use.host}`, cleanLine(line)];
  });
}
