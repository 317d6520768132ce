import { getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, choiceFlag, listFlag, text, valueFlag } from "../flags.ts";
import { answer } from "../output/terminal.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import { getResults } from "../transfer/get-results.ts";
import { openResults } from "../transfer/open-results.ts";
import { verifyAndTell } from "../transfer/tell-differences.ts";
import { jobArgument } from "./job-list.ts";

export const jobGet = defineCommand({
  path: "job get",
  summary: "Download a job's results; every byte is checked against its content id.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    to: valueFlag("DIR", "where to; default ./job-ID", text, { isCommon: true }),
    "output-dir": valueFlag("DIR", "the same as --to, as in Bacalhau", text, { isHidden: true }),
    output: listFlag("NAME", "only this output of each part; may be repeated", text, { isCommon: true }),
    partition: listFlag("N", "only this part; may be repeated", integerBetween(0, 999_999), { isCommon: true }),
    verify: booleanFlag("compare what is there, download nothing", { isCommon: true }),
    overwrite: booleanFlag("replace what differs", { isCommon: true }),
    force: booleanFlag("the same as --overwrite", { isHidden: true }),
    quiet: booleanFlag("nothing on stderr but errors", { short: "q" }),
    format: choiceFlag(["table", "json"], "form of the answer", { short: "o" }),
  },
  examples: ["skrei job get j-01ab", "skrei job get j-01ab --to ./out --output model", "skrei job get j-01ab --to ./out --verify"],
  exitCodes: {
    1: "bytes do not match their content id, or --verify found a difference",
    3: "no such job, result or output",
    5: "the content store does not answer",
    8: "other files are there already, the disk refuses, or another download writes there",
  },
  run: async ({ args, flags, session }) => {
    const { jobId } = await getJob(session, jobArgument(args));
    const to = flags.to ?? flags["output-dir"] ?? `./job-${jobId}`;
    const { output, partition: partitions } = flags;
    const isJson = flags.format === "json";
    if (flags.verify) {
      using opened = await openResults(session, { jobId, partitions, outputs: output });
      const repair = `skrei job get ${jobId} --to ${to} --overwrite`;
      return verifyAndTell(session, opened, {
        to,
        isPartial: partitions.length + output.length > 0,
        about: { jobId, to },
        isJson,
        repair,
      });
    }
    const isForced = flags.overwrite || flags.force;
    const got = await getResults(session, { jobId, to, isForced, output, partitions, isQuiet: flags.quiet || isJson });
    await answer(session.terminal, isJson ? JSON.stringify({ jobId, to, ...got }, null, 2) : to);
  },
});
