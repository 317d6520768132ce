import { DomainError } from "@skrei/domain";
import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { msOrZero } from "@skrei/wire/time.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, listFlag, text, valueFlag } from "../flags.ts";
import { formatOf, OUTPUT_FLAGS, printListing } from "../output/format.ts";
import { styleState } from "../output/state-style.ts";
import type { Column } from "../output/table.ts";
import { say } from "../output/terminal.ts";
import { formatDuration } from "../parse/parse-duration.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { engineOf, jobStateOf, took } from "../run/job-words.ts";
import type { Session } from "../session.ts";

const PAGE_SIZE_MAX = 1_000;
const LIMIT_MAX = 100_000;

export const jobList = defineCommand({
  path: "job list",
  aliases: ["ls"],
  summary: "List jobs, newest first.",
  args: [],
  flags: {
    ...OUTPUT_FLAGS,
    filter: valueFlag("EXPR", "state:failed label:team=a ns:web name-part; space is AND", text, { isCommon: true }),
    labels: listFlag("K=V", "only jobs with this label, as in Bacalhau", text, { isHidden: true }),
    limit: valueFlag("N", "at most so many; default 20", integerBetween(1, LIMIT_MAX), { isCommon: true }),
    "page-token": valueFlag("TOKEN", "where the last page ended", text),
    "next-token": valueFlag("TOKEN", "the same as --page-token", text, { isHidden: true }),
    all: booleanFlag("every page"),
  },
  examples: ["skrei job list", "skrei job list --filter 'state:failed|stopped' --limit 100", "skrei job list -o json | jq '.[].jobId'"],
  exitCodes: { 2: "the filter has a mistake" },
  run: async ({ flags, session }) => {
    const limit = flags.all ? LIMIT_MAX : (flags.limit ?? 20);
    const filter = [flags.filter ?? "", ...flags.labels.map((label) => `label:${label}`)].join(" ").trim();
    const listed = await listJobs(session, { filter, limit, pageToken: flags["page-token"] ?? flags["next-token"] ?? "" });
    const format = formatOf(flags);
    await printListing(session.terminal, {
      schema: JobSchema,
      records: listed.jobs,
      columns: columns(Date.now()),
      nameOf: (job) => job.jobId,
      format,
    });
    if (format === "table" || format === "wide") await say(session.terminal, footer(listed, { filter, limit }));
  },
});

interface Listed {
  readonly jobs: readonly Job[];
  readonly pageToken: string;
  readonly totalSize: bigint;
}

async function listJobs(session: Session, query: { filter: string; limit: number; pageToken: string }): Promise<Listed> {
  const { filter, limit } = query;
  const jobs: Job[] = [];
  let { pageToken } = query;
  let totalSize = 0n;
  do {
    const page = await session.cluster.jobs.listJobs({ filter, pageToken, pageSize: Math.min(PAGE_SIZE_MAX, limit - jobs.length) });
    jobs.push(...page.jobs);
    pageToken = page.nextPageToken;
    totalSize = page.totalSize;
  } while (pageToken !== "" && jobs.length < limit);
  return { jobs, pageToken, totalSize };
}

function footer({ jobs, pageToken, totalSize }: Listed, { filter, limit }: { filter: string; limit: number }): string {
  const filterFlag = filter === "" ? "" : ` --filter '${filter}'`;
  if (pageToken !== "" && BigInt(jobs.length) < totalSize)
    return `${jobs.length} shown, ${totalSize} in all; next: skrei job list${filterFlag} --limit ${limit} --page-token ${pageToken}`;
  if (filter !== "") return `${jobs.length} of ${totalSize} jobs match`;
  return jobs.length === 0 ? "no jobs yet; try: skrei run --example wordcount" : `${totalSize} in all`;
}

function columns(nowMs: number): readonly Column<Job>[] {
  return [
    { header: "ID", value: (job) => job.jobId },
    { header: "NAME", value: (job) => (job.spec?.name === job.jobId ? "-" : (job.spec?.name ?? "")) },
    { header: "STATE", value: jobStateOf, style: styleState },
    { header: "PARTS", value: (job) => `${job.partitions?.completed ?? 0}/${job.spec?.count ?? 1}`, isRight: true },
    { header: "ENGINE", value: engineOf },
    { header: "AGE", value: (job) => formatDuration(nowMs - msOrZero(job.createTime)), isRight: true },
    { header: "TOOK", value: (job) => (job.startTime === undefined ? "-" : took(job, nowMs)), isRight: true },
    { header: "NAMESPACE", value: (job) => job.spec?.namespace ?? "", isWide: true },
    { header: "EXIT", value: (job) => (job.exitCode === undefined ? "-" : String(job.exitCode)), isRight: true, isWide: true },
    { header: "REASON", value: (job) => job.failure?.reason ?? job.waiting?.reasons[0]?.reason ?? "", isWide: true },
  ];
}

/** The one job argument of a command. */
export function jobArgument(args: readonly string[]): string {
  const [jobId] = args;
  if (jobId === undefined || jobId === "")
    throw new DomainError("invalid", "FIELD_REQUIRED", "A job is missing.", {
      hint: "Give an id, a prefix of one or a name: skrei job list.",
    });
  return jobId;
}
