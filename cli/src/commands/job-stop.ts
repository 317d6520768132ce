import { randomUUID } from "node:crypto";
import { present, getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, text, valueFlag } from "../flags.ts";
import { say } from "../output/terminal.ts";
import { isEnded, jobStateOf } from "../run/job-words.ts";
import { watchJob } from "../run/watch-job.ts";
import { jobArgument } from "./job-list.ts";

export const jobStop = defineCommand({
  path: "job stop",
  summary: "Stop a job; what runs gets its grace.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    reason: valueFlag("TEXT", "for the history", text),
    wait: booleanFlag("come back when it has stopped", { isCommon: true }),
    "dry-run": booleanFlag("say what would be stopped"),
    quiet: booleanFlag("nothing on stderr but errors", { short: "q" }),
  },
  examples: ["skrei job stop j-01ab", "skrei job stop my-job --wait --reason 'wrong input'"],
  exitCodes: { 3: "no such job, or several" },
  run: async ({ args, flags, session }) => {
    const before = await getJob(session, jobArgument(args));
    const { jobId } = before;
    const tell = (line: string): Promise<void> => (flags.quiet ? Promise.resolve() : say(session.terminal, line));
    if (isEnded(before)) return tell(`${jobId} is ${jobStateOf(before)} already; nothing to stop`);
    if (flags["dry-run"]) return tell(`would stop ${jobId}, which is ${jobStateOf(before)}`);
    let job = present((await session.cluster.jobs.stopJob({ jobId, requestId: randomUUID(), reason: flags.reason ?? "" })).job);
    if (flags.wait) for await (const next of watchJob(session, jobId, { signal: session.signal })) job = next;
    await tell(isEnded(job) ? `${jobId} is ${jobStateOf(job)}` : `${jobId} is stopping; see: skrei job describe ${jobId}`);
  },
});
