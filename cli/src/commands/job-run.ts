import { defineCommand } from "../command.ts";
import { FILE_FLAG, FOLLOW_FLAGS, JOB_FLAGS } from "../run/job-flags.ts";
import { fileArgument, runFile, RUN_EXIT_CODES } from "./run.ts";

export const jobRun = defineCommand({
  path: "job run",
  summary: "Run a job file; the same as skrei run -f FILE.",
  args: [{ name: "file", summary: "YAML or JSON; stdin when left out", completes: "file" }],
  flags: { ...FILE_FLAG, ...JOB_FLAGS, ...FOLLOW_FLAGS },
  examples: ["skrei job run job.yaml", "cat job.json | skrei job run"],
  exitCodes: RUN_EXIT_CODES,
  run: ({ args, flags, session }) => runFile(session, fileArgument(args, flags), flags),
});
