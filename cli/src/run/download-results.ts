import { DomainError } from "@skrei/domain";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { toCallError } from "../client/call-error.ts";
import { cleanLine } from "../output/clean-text.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { getResults } from "../transfer/get-results.ts";
import { jobStateOf } from "./job-words.ts";

interface DownloadFlags {
  readonly download: string | undefined;
  readonly get: string | undefined;
  readonly force: boolean;
  readonly overwrite: boolean;
  /** False for a folder that does not outlive the command. */
  readonly namesFolder: boolean;
  readonly quiet: boolean;
}

/** The folder that `--download=DIR` or `--get DIR` names; undefined when none is named. @throws DomainError for two different ones. */
export function namedFolder({ download = "", get = "" }: Pick<DownloadFlags, "download" | "get">): string | undefined {
  if (download !== "" && get !== "" && download !== get)
    throw new DomainError("invalid", "FIELD_INVALID", `--download names ${download} and --get ${get}.`, { hint: "Give one of them." });
  const named = download === "" ? get : download;
  return named === "" ? undefined : named;
}

/**
 * Downloads what an ended job has, if the flags ask for it: the accepted results, of a failed job what could be kept. How the job went
 * matters more than a download of what it left, so for a failed one that only makes a note.
 */
export async function downloadIfAsked(session: Session, job: Job, flags: DownloadFlags): Promise<void> {
  if (flags.download === undefined && flags.get === undefined) return;
  const to = namedFolder(flags) ?? `./job-${job.jobId}`;
  try {
    await getResults(session, { jobId: job.jobId, to, isForced: flags.force || flags.overwrite, output: undefined, isQuiet: flags.quiet });
    if (!flags.quiet && flags.namesFolder) await say(session.terminal, `  ✓ download  ${to}`);
  } catch (error) {
    if (session.signal.aborted || jobStateOf(job) === "completed") throw error;
    await noteMissing(session, job, { error, to });
  }
}

async function noteMissing(session: Session, job: Job, { error, to }: { readonly error: unknown; readonly to: string }): Promise<void> {
  const known = toCallError(error, session.settings);
  if (known === undefined) throw error;
  if (known.reason !== "RESULT_NOT_FOUND")
    await say(session.terminal, `note: nothing was downloaded: ${cleanLine(known.message)} Later: skrei job get ${job.jobId} --to ${to}`);
}
