import { ExecutionSchema } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import { defineCommand } from "../command.ts";
import { text, valueFlag } from "../flags.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import { styleState } from "../output/state-style.ts";
import type { Column } from "../output/table.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { elapsed, executionStateOf } from "../run/job-words.ts";
import { readNodeNames } from "../run/node-names.ts";
import { jobArgument } from "./job-list.ts";

export const jobExecutions = defineCommand({
  path: "job executions",
  summary: "List the attempts of a job, oldest first.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    ...OUTPUT_FLAGS,
    limit: valueFlag("N", "at most so many; default 100", integerBetween(1, 1_000), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
  },
  examples: ["skrei job executions j-01ab", "skrei job executions j-01ab -o wide"],
  exitCodes: { 3: "no such job, or several" },
  run: async ({ args, flags, session }) => {
    const jobId = jobArgument(args);
    const limit = flags.limit ?? 100;
    const page = await session.cluster.jobs.listExecutions({ jobId, pageSize: limit, pageToken: flags["page-token"] ?? "" });
    const format = formatOf(flags);
    await printListing(session.terminal, {
      schema: ExecutionSchema,
      records: page.executions,
      columns: executionColumns(Date.now(), await readNodeNames(session), page.executions),
      nameOf: ({ executionId }) => executionId,
      format,
    });
    if (page.nextPageToken !== "")
      await say(session.terminal, `next: skrei job executions ${jobId} --limit ${limit} --page-token ${page.nextPageToken}`);
  },
});

/** The version is shown where there are several, or in the wide form. */
export function executionColumns(
  nowMs: number,
  nodeNames: ReadonlyMap<string, string>,
  executions: readonly Execution[],
): readonly Column<Execution>[] {
  const isRerun = executions.some(({ jobVersion }) => jobVersion > 1);
  return [
    { header: "EXECUTION", value: ({ executionId }) => executionId },
    { header: "PART", value: ({ partition }) => String(partition), isRight: true },
    { header: "VERSION", value: ({ jobVersion }) => String(jobVersion), isRight: true, isWide: !isRerun },
    { header: "TRY", value: ({ attempt }) => String(attempt), isRight: true },
    { header: "STATE", value: executionStateOf, style: styleState },
    { header: "EXIT", value: ({ exitCode }) => (exitCode === undefined ? "-" : String(exitCode)), isRight: true },
    {
      header: "TOOK",
      value: ({ startTime, endTime }) => (startTime === undefined ? "-" : elapsed(startTime, endTime, nowMs)),
      isRight: true,
    },
    { header: "NODE", value: ({ nodeId }) => nodeNames.get(nodeId) ?? "-" },
    { header: "NODE ID", value: ({ nodeId }) => nodeId },
    { header: "SIZE", value: ({ resultBytes }) => formatBytes(Number(resultBytes)), isRight: true, isWide: true },
    { header: "RESULT", value: ({ resultCid }) => resultCid, isWide: true },
    { header: "WHY", value: ({ failure }) => (failure === undefined ? "" : failure.message) },
  ];
}
