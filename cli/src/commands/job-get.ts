import { DomainError } from "@skrei/domain";
import { getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, choiceFlag, listFlag, text, valueFlag } from "../flags.ts";
import { cleanLine } from "../output/clean-text.ts";
import { countOf, filesOf } from "../output/count-of.ts";
import { answer, say } from "../output/terminal.ts";
import { formatBytes } from "../parse/parse-bytes.ts";
import { integerBetween } from "../parse/parse-integer.ts";
import type { Session } from "../session.ts";
import type { Difference } from "../transfer/compare-tree.ts";
import { getResults } from "../transfer/get-results.ts";
import { verifyResults } from "../transfer/verify-results.ts";
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
    format: choiceFlag(["table", "json"], "form of the answer", { short: "o" }),
  },
  examples: ["skrei job get j-01ab", "skrei job get j-01ab --to ./out --output model", "skrei job get j-01ab --to ./out --verify"],
  exitCodes: {
    1: "bytes do not match their content id, or --verify found a difference",
    3: "no such job, result or output",
    5: "the content store does not answer",
    8: "other files are there already, or the disk refuses",
  },
  run: async ({ args, flags, session }) => {
    const { jobId } = await getJob(session, jobArgument(args));
    const request: Request = {
      jobId,
      to: flags.to ?? flags["output-dir"] ?? `./job-${jobId}`,
      outputs: flags.output,
      partitions: flags.partition,
      isJson: flags.format === "json",
    };
    if (flags.verify) return verify(session, request);
    const { isJson, to, partitions, outputs } = request;
    const isForced = flags.overwrite || flags.force;
    const got = await getResults(session, { jobId, to, isForced, output: outputs, partitions, isQuiet: isJson });
    await answer(session.terminal, isJson ? JSON.stringify({ jobId, to, ...got }, null, 2) : to);
  },
});

interface Request {
  readonly jobId: string;
  readonly to: string;
  readonly outputs: readonly string[];
  readonly partitions: readonly number[];
  readonly isJson: boolean;
}

async function verify(session: Session, { jobId, to, outputs, partitions, isJson }: Request): Promise<void> {
  const { terminal } = session;
  const differences: { kind: Difference["kind"]; path: string }[] = [];
  const totals = await verifyResults(session, {
    jobId,
    to,
    outputs,
    partitions,
    onDifference: async ({ kind, path }) => {
      if (isJson) differences.push({ kind, path: path.join("/") });
      else await answer(terminal, `${kind.padEnd(7)}  ${cleanLine(path.join("/"))}`);
    },
  });
  if (isJson) await answer(terminal, JSON.stringify({ jobId, to, ...totals, differences }, null, 2));
  const { missing, changed, extra, files, sizeBytes } = totals;
  if (missing + changed + extra === 0) {
    if (!isJson) await say(terminal, `  ✓ verified  ${filesOf(files)}, ${formatBytes(sizeBytes)}; nothing differs`);
    return;
  }
  throw new DomainError(
    "corrupt",
    "RESULT_CORRUPT",
    `${to} differs from the result: ${missing} missing, ${changed} changed, ${extra} extra; ${countOf(files, "file")} as they should be.`,
    { hint: `To make good what is missing or changed: skrei job get ${jobId} --to ${to} --overwrite` },
  );
}
