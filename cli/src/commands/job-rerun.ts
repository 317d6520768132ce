import { randomUUID } from "node:crypto";
import { present } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { answer, say } from "../output/terminal.ts";
import { warnUnplaceable } from "../run/await-placing.ts";
import { FOLLOW_FLAGS } from "../run/job-flags.ts";
import { stayWithJob } from "../run/run-job.ts";
import { jobArgument } from "./job-list.ts";
import { RUN_EXIT_CODES } from "./run.ts";

export const jobRerun = defineCommand({
  path: "job rerun",
  summary: "Run an ended job again, as its next version.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: FOLLOW_FLAGS,
  examples: ["skrei job rerun j-01ab"],
  exitCodes: { ...RUN_EXIT_CODES, 8: "the job has not ended" },
  run: async ({ args, flags, session }) => {
    const jobId = jobArgument(args);
    if (flags["dry-run"]) return say(session.terminal, `would run ${jobId} again`);
    const job = present((await session.cluster.jobs.rerunJob({ jobId, requestId: flags["request-id"] ?? randomUUID() })).job);
    if (flags.detach || flags["id-only"]) {
      await answer(session.terminal, job.jobId);
      return flags.quiet ? undefined : warnUnplaceable(session, job);
    }
    if (!flags.quiet) await say(session.terminal, `${job.jobId} version ${job.version}`);
    await stayWithJob(session, job, flags);
  },
});
