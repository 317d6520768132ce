import { JobEventSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { JobEvent } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { msOrZero } from "@skrei/wire/time.ts";
import { defineCommand } from "../command.ts";
import { text, valueFlag } from "../flags.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import type { Column } from "../output/table.ts";
import { say } from "../output/terminal.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { readNodeNames } from "../run/node-names.ts";
import { jobArgument } from "./job-list.ts";

const columns = (nodeNames: ReadonlyMap<string, string>): readonly Column<JobEvent>[] => [
  { header: "TIME", value: ({ time }) => new Date(msOrZero(time)).toISOString().replace("T", " ").replace("Z", "") },
  { header: "EVENT", value: ({ type }) => type },
  { header: "PART", value: ({ partition }) => (partition === undefined ? "-" : String(partition)), isRight: true },
  { header: "NODE", value: ({ nodeId }) => nodeNames.get(nodeId) ?? "-" },
  { header: "NODE ID", value: ({ nodeId }) => (nodeId === "" ? "-" : nodeId) },
  { header: "EXECUTION", value: ({ executionId }) => (executionId === "" ? "-" : executionId), isWide: true },
  { header: "SEQUENCE", value: ({ sequence }) => String(sequence), isRight: true, isWide: true },
  { header: "WHY", value: ({ reason, message }) => [reason, message].filter((part) => part !== "").join(": ") },
];

export const jobHistory = defineCommand({
  path: "job history",
  summary: "Tell what happened to a job, oldest first.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    ...OUTPUT_FLAGS,
    limit: valueFlag("N", "at most so many; default 100", integerBetween(1, 1_000), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
  },
  examples: ["skrei job history j-01ab", "skrei job history j-01ab -o jsonl"],
  exitCodes: { 3: "no such job, or several" },
  run: async ({ args, flags, session }) => {
    const jobId = jobArgument(args);
    const limit = flags.limit ?? 100;
    const page = await session.cluster.jobs.listJobEvents({ jobId, pageSize: limit, pageToken: flags["page-token"] ?? "" });
    await printListing(session.terminal, {
      schema: JobEventSchema,
      records: page.events,
      columns: columns(await readNodeNames(session)),
      nameOf: ({ sequence }) => String(sequence),
      format: formatOf(flags),
    });
    if (page.nextPageToken !== "")
      await say(session.terminal, `next: skrei job history ${jobId} --limit ${limit} --page-token ${page.nextPageToken}`);
  },
});
