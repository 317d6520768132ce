import { JobSchema } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { toJson } from "@bufbuild/protobuf";
import { defineCommand } from "../command.ts";
import { choiceFlag, text, valueFlag } from "../flags.ts";
import { cleanLine } from "../output/clean-text.ts";
import { answer } from "../output/terminal.ts";
import { jobStateOf } from "../run/job-words.ts";

export const jobWatch = defineCommand({
  path: "job watch",
  summary: "Print a line at each change of any job, until Ctrl-C.",
  args: [],
  flags: {
    filter: valueFlag("EXPR", "as in job list", text, { isCommon: true }),
    output: choiceFlag(["lines", "jsonl"], "form of the answer", { short: "o", isCommon: true }),
  },
  examples: ["skrei job watch", "skrei job watch --filter state:failed -o jsonl"],
  exitCodes: { 130: "ended with Ctrl-C" },
  run: async ({ flags, session }) => {
    const said = new Map<string, string>();
    for await (const message of session.cluster.jobs.watchJobs(
      { filter: flags.filter ?? "", snapshotSize: 100 },
      { signal: session.signal },
    )) {
      for (const job of message.jobs.toReversed()) {
        const line = flags.output === "jsonl" ? JSON.stringify(toJson(JobSchema, job)) : describe(job);
        if (said.get(job.jobId) !== line) await answer(session.terminal, line);
        said.set(job.jobId, line);
      }
      for (const jobId of message.removedJobIds) said.delete(jobId);
    }
  },
});

/** `j-… wordcount, running, 5 of 8` */
function describe(job: Job): string {
  const name = job.spec?.name === job.jobId ? "" : ` ${job.spec?.name ?? ""}`;
  const why = job.failure === undefined ? "" : `: ${job.failure.message}`;
  return cleanLine(`${job.jobId}${name}, ${jobStateOf(job)}, ${job.partitions?.completed ?? 0} of ${job.spec?.count ?? 1}${why}`);
}
