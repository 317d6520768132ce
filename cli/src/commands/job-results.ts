import { ResultSchema } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import type { Result } from "@skrei/proto/skrei/data/v1/result_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { msFromTimestamp } from "@skrei/wire/time.ts";
import { getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { text, valueFlag } from "../flags.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import type { Column } from "../output/table.ts";
import { say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { formatDuration } from "../parse/parse-duration.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { isEnded, jobStateOf } from "../run/job-words.ts";
import { jobArgument } from "./job-list.ts";

function columnsFor(results: readonly Result[], nowMs: number): readonly Column<Result>[] {
  const isSomeDelivered = results.some(({ deliveryUrl }) => deliveryUrl !== "");
  const isSomeEnding = results.some(({ expireTime }) => expireTime !== undefined);
  return [
    ...COLUMNS,
    { header: "DELIVERED", value: ({ deliveryUrl }) => deliveryUrl || "-", isWide: !isSomeDelivered },
    { header: "ENDS", value: ({ expireTime }) => endOf(expireTime, nowMs), isWide: !isSomeEnding },
  ];
}

function endOf(expireTime: Result["expireTime"], nowMs: number): string {
  if (expireTime === undefined) return "with its job";
  const leftMs = msFromTimestamp(expireTime) - nowMs;
  return leftMs <= 0 ? "ended" : `in ${formatDuration(leftMs)}`;
}

function noneOf(job: Job): string {
  const { jobId } = job;
  if (isEnded(job)) return `none; the job is ${jobStateOf(job)}, what it wrote: skrei job logs ${jobId}`;
  return `none yet; what it wrote so far: skrei job logs ${jobId}`;
}

const COLUMNS: readonly Column<Result>[] = [
  { header: "PART", value: ({ partition }) => String(partition), isRight: true },
  { header: "CID", value: ({ cid }) => cid },
  { header: "SIZE", value: ({ sizeBytes }) => formatBytes(Number(sizeBytes)), isRight: true },
  { header: "EXIT", value: ({ exitCode }) => String(exitCode), isRight: true },
  { header: "ACCEPTED", value: ({ accepted }) => (accepted ? "yes" : "no") },
  { header: "EXECUTION", value: ({ executionId }) => executionId, isWide: true },
  { header: "MANIFEST", value: ({ manifestCid }) => manifestCid, isWide: true },
];

export const jobResults = defineCommand({
  path: "job results",
  summary: "List the results of a job with their content ids.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    ...OUTPUT_FLAGS,
    limit: valueFlag("N", "at most so many; default 100", integerBetween(1, 1_000), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
  },
  examples: ["skrei job results j-01ab", "skrei job results j-01ab -o name"],
  exitCodes: { 3: "no such job, or several" },
  run: async ({ args, flags, session }) => {
    const jobId = jobArgument(args);
    const limit = flags.limit ?? 100;
    const page = await session.cluster.results.listResults({ jobId, pageSize: limit, pageToken: flags["page-token"] ?? "" });
    await printListing(session.terminal, {
      schema: ResultSchema,
      records: page.results,
      columns: columnsFor(page.results, Date.now()),
      nameOf: ({ cid }) => cid,
      format: formatOf(flags),
    });
    if (page.nextPageToken !== "")
      await say(session.terminal, `next: skrei job results ${jobId} --limit ${limit} --page-token ${page.nextPageToken}`);
    if (page.results.length > 0) await say(session.terminal, `files: skrei job get ${jobId}`);
    else if (flags["page-token"] === undefined) await say(session.terminal, noneOf(await getJob(session, jobId)));
  },
});
