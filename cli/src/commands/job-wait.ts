import { Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, valueFlag } from "../flags.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { say } from "../output/terminal.ts";
import { parseDuration } from "../parse/parse-duration.ts";
import { finishRun } from "../run/finish-run.ts";
import { isEnded } from "../run/job-words.ts";
import { listExecutions } from "../run/list-executions.ts";
import { watchJob } from "../run/watch-job.ts";
import { jobArgument } from "./job-list.ts";
import { RUN_EXIT_CODES } from "./run.ts";

/** What their network refused is told at the end. */
const EXECUTIONS_MAX = 1_000;

export const jobWait = defineCommand({
  path: "job wait",
  summary: "Wait until a job has ended; the exit code says how.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    timeout: valueFlag("TIME", "stop waiting after this time; the job goes on", parseDuration, { isCommon: true }),
    "exit-code": booleanFlag("end with the job's own exit code"),
    quiet: booleanFlag("nothing on stderr but errors", { short: "q" }),
  },
  examples: ["skrei job wait j-01ab --timeout 10m"],
  exitCodes: RUN_EXIT_CODES,
  run: async ({ args, flags, session }) => {
    let job = await getJob(session, jobArgument(args));
    const signal = flags.timeout === undefined ? session.signal : AbortSignal.any([session.signal, AbortSignal.timeout(flags.timeout)]);
    try {
      if (!isEnded(job)) for await (const next of watchJob(session, job.jobId, { signal })) job = next;
    } catch (error) {
      if (!signal.aborted) throw error;
      await say(session.terminal, `Stopped waiting; ${job.jobId} goes on.`);
      throw new ExitError(session.signal.aborted ? EXIT.interrupted : EXIT.timedOut);
    }
    const executions =
      flags.quiet && job.state === Job_State.COMPLETED ? [] : await listExecutions(session, job.jobId, { limit: EXECUTIONS_MAX });
    await finishRun(
      session,
      { job, executions, lastErrors: [], isUnplaceable: false },
      { isQuiet: flags.quiet, returnsExitCode: flags["exit-code"] },
    );
  },
});
