import { getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, text, valueFlag } from "../flags.ts";
import { answer } from "../output/terminal.ts";
import { getResults } from "../transfer/get-results.ts";
import { jobArgument } from "./job-list.ts";

export const jobGet = defineCommand({
  path: "job get",
  summary: "Download a job's results; every byte is checked against its content id.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    to: valueFlag("DIR", "where to; default ./job-ID", text, { isCommon: true }),
    "output-dir": valueFlag("DIR", "the same as --to, as in Bacalhau", text, { isHidden: true }),
    output: valueFlag("NAME", "only this output of each part", text, { isCommon: true }),
    force: booleanFlag("replace what is there", { isCommon: true }),
    verify: booleanFlag("always on", { isHidden: true }),
  },
  examples: ["skrei job get j-01ab", "skrei job get j-01ab --to ./out --output outputs"],
  exitCodes: {
    1: "bytes do not match their content id",
    3: "no such job or no result",
    5: "the content store does not answer",
    8: "files are there already",
  },
  run: async ({ args, flags, session }) => {
    const { jobId } = await getJob(session, jobArgument(args));
    const to = flags.to ?? flags["output-dir"] ?? `./job-${jobId}`;
    await getResults(session, { jobId, to, isForced: flags.force, output: flags.output, isQuiet: false });
    await answer(session.terminal, to);
  },
});
