import { StreamLogsResponse_Stream } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { getJob } from "../client/get-job.ts";
import { defineCommand } from "../command.ts";
import { booleanFlag, text, valueFlag } from "../flags.ts";
import { createOutputWriter } from "../output/output-writer.ts";
import type { OutputWriter } from "../output/output-writer.ts";
import { createPrefixedWriter, partPrefix } from "../output/prefixed-writer.ts";
import { say } from "../output/terminal.ts";
import { parseBytes } from "../parse/parse-bytes.ts";
import type { Session } from "../session.ts";
import { jobArgument } from "./job-list.ts";

export const jobLogs = defineCommand({
  path: "job logs",
  summary: "Print what a job wrote: its stdout to stdout, its stderr to stderr.",
  args: [{ name: "job", summary: "id, unique prefix or name", isRequired: true, completes: "job" }],
  flags: {
    follow: booleanFlag("go on until the job ends", { short: "f", isCommon: true }),
    tail: valueFlag("SIZE", "only the last so many bytes of each part", parseBytes, { short: "t", isCommon: true }),
    execution: valueFlag("ID", "only this attempt", text, { short: "e" }),
    raw: booleanFlag("the bytes as they are, also to a terminal; of several parts without names"),
  },
  examples: ["skrei job logs j-01ab", "skrei job logs j-01ab --follow --tail 4kB"],
  exitCodes: { 3: "no such job, or several", 5: "the node that holds the output is gone" },
  run: async ({ args, flags, session }) => {
    // Parts that are read together write as it comes; one attempt, or --raw, gives the bytes as they are.
    const isOne = flags.execution !== undefined || flags.raw;
    const job = isOne ? undefined : await getJob(session, jobArgument(args));
    const jobId = job?.jobId ?? jobArgument(args);
    const request = { jobId, executionId: flags.execution ?? "", follow: flags.follow, tailBytes: BigInt(flags.tail ?? 0) };
    await printLogs(session, request, { isRaw: flags.raw, count: job?.spec?.count ?? 1 });
  },
});

async function printLogs(
  session: Session,
  request: Parameters<Session["cluster"]["jobs"]["streamLogs"]>[0],
  { isRaw, count }: { readonly isRaw: boolean; readonly count: number },
): Promise<void> {
  const { terminal } = session;
  const writers = new Map<string, OutputWriter>();
  try {
    for await (const piece of session.cluster.jobs.streamLogs(request, { signal: session.signal })) {
      const isError = piece.stream === StreamLogsResponse_Stream.STDERR;
      const key = `${piece.executionId} ${isError}`;
      const output = isError ? terminal.stderr : terminal.stdout;
      const prefix = partPrefix(piece.partition, count);
      const writer =
        writers.get(key) ??
        (count > 1
          ? createPrefixedWriter(output, { prefix, beforeWrite: () => Promise.resolve() })
          : createOutputWriter(output, { isRaw }));
      writers.set(key, writer);
      if (piece.data.length > 0) await writer.write(piece.data);
      if (piece.truncated) await say(terminal, `note: part ${piece.partition} wrote more than is kept; the rest was dropped`);
    }
  } finally {
    // Also when it breaks off: the last line of a part may be unfinished.
    for (const writer of writers.values()) await writer.end();
  }
}
