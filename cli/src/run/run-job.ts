import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { DomainError } from "@skrei/domain";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { JobSpecSchema } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { isConnectionLost, toCallError } from "../client/call-error.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import type { FlagValues } from "../flags.ts";
import type { JobDraft } from "../job-file/job-draft.ts";
import { cleanLine } from "../output/clean-text.ts";
import { answer, say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { uploadPath } from "../transfer/upload.ts";
import { warnUnplaceable } from "./await-placing.ts";
import { checkDraft, isCheckedFirst } from "./check-draft.ts";
import { downloadIfAsked, namedFolder } from "./download-results.ts";
import { finishRun } from "./finish-run.ts";
import { followJob } from "./follow-job.ts";
import type { FOLLOW_FLAGS } from "./job-flags.ts";
import { engineOf, partsOf } from "./job-words.ts";
import { resolveDraft } from "./resolve-draft.ts";
import { refuseOccupied } from "../transfer/get-results.ts";

export type FollowFlags = FlagValues<typeof FOLLOW_FLAGS>;

export interface RunRequest {
  readonly session: Session;
  readonly draft: JobDraft;
  /** Where the paths of uploads begin. */
  readonly folder: string;
  readonly flags: FollowFlags;
  /** False when the cluster does not outlive the command. */
  readonly namesNextCommands?: boolean;
}

/** Submits a job and stays with it to its end, unless the flags say otherwise. */
export async function runJob({ session, draft, folder, flags, namesNextCommands = true }: RunRequest): Promise<void> {
  const downloadFolder = namedFolder(flags);
  if (flags["dry-run"]) return showDraft(session, draft, folder);
  if (isCheckedFirst(draft)) await checkDraft(draft, folder);
  const spec = await resolveDraft(draft, { folder, upload: (path) => uploadPath(session, path, { isQuiet: flags.quiet }) });
  if (downloadFolder !== undefined) await refuseOccupied(downloadFolder, { count: spec.count, isForced: flags.force || flags.overwrite });
  const job = await submit(session, draft, { requestId: flags["request-id"] ?? randomUUID(), spec });
  if (flags.detach || flags["id-only"]) return leaveSubmitted(session, job, flags);
  if (!flags.quiet) await say(session.terminal, headline(job));
  await stayWithJob(session, job, flags, namesNextCommands);
}

async function leaveSubmitted(session: Session, job: Job, { quiet }: FollowFlags): Promise<void> {
  await answer(session.terminal, job.jobId);
  if (!quiet) await warnUnplaceable(session, job);
}

/** The job as it would be submitted; what would be uploaded stands by its path. */
async function showDraft({ terminal }: Session, draft: JobDraft, folder: string): Promise<void> {
  await checkDraft(draft, folder);
  const spec = await resolveDraft(draft, { folder, upload: (path) => Promise.resolve(`upload:${path}`) });
  await answer(terminal, JSON.stringify(toJson(JobSpecSchema, spec), null, 2));
}

/** `j-… wordcount  wasm, 3 parts` */
function headline(job: Job): string {
  const name = job.spec === undefined || job.spec.name === job.jobId ? "" : ` ${job.spec.name}`;
  return cleanLine(`${job.jobId}${name}  ${engineOf(job)}, ${partsOf(job.spec?.count ?? 1)}`);
}

/** Follows a job that is submitted already (`run`, `job rerun`, `job wait`). */
export async function stayWithJob(outer: Session, job: Job, flags: FollowFlags, namesNextCommands = true): Promise<void> {
  const waitMs = flags["wait-timeout"];
  const signal = waitMs === undefined ? outer.signal : AbortSignal.any([outer.signal, AbortSignal.timeout(waitMs)]);
  const session: Session = { ...outer, signal };
  try {
    const followed = await followJob(session, job, { isRaw: flags.raw, isQuiet: flags.quiet });
    if (!followed.isUnplaceable) await downloadIfAsked(session, followed.job, { ...flags, namesFolder: namesNextCommands });
    await finishRun(session, followed, { isQuiet: flags.quiet, returnsExitCode: flags["exit-code"], namesNextCommands });
  } catch (error) {
    if (!signal.aborted || error instanceof ExitError) throw error;
    await leave(outer, job, { flags, namesNextCommands });
  }
}

/** Interrupted, or out of patience: the job goes on, unless it shall stop. */
async function leave(
  session: Session,
  job: Job,
  { flags, namesNextCommands }: { readonly flags: FollowFlags; readonly namesNextCommands: boolean },
): Promise<never> {
  const isInterrupted = session.signal.aborted;
  if (!namesNextCommands) {
    await say(session.terminal, "", "Interrupted; the job ends with this cluster.");
    throw new ExitError(isInterrupted ? EXIT.interrupted : EXIT.timedOut);
  }
  if (isInterrupted && flags["stop-on-interrupt"]) {
    await session.cluster.jobs.stopJob({ jobId: job.jobId, requestId: randomUUID(), reason: "interrupted by Ctrl-C" });
    await say(session.terminal, "", `stopping ${job.jobId}`, `  story  skrei job describe ${job.jobId}`);
    throw new ExitError(EXIT.interrupted);
  }
  const why = isInterrupted ? "Left" : "Stopped waiting";
  await say(
    session.terminal,
    "",
    `${why}; the job goes on.`,
    `  back   skrei job logs ${job.jobId} --follow`,
    `  wait   skrei job wait ${job.jobId}`,
    `  stop   skrei job stop ${job.jobId}`,
  );
  throw new ExitError(isInterrupted ? EXIT.interrupted : EXIT.timedOut);
}

/** Tries a second time when the connection broke: the request id makes that safe. */
async function submit(
  session: Session,
  draft: JobDraft,
  request: Parameters<Session["cluster"]["jobs"]["submitJob"]>[0] & object,
): Promise<Job> {
  try {
    const { job } = await session.cluster.jobs.submitJob(request).catch((error: unknown) => {
      if (!isConnectionLost(error) || session.signal.aborted) throw error;
      return session.cluster.jobs.submitJob(request);
    });
    if (job === undefined) throw new DomainError("unavailable", "INTERNAL_ERROR", "The cluster answered without a job.");
    return job;
  } catch (error) {
    const known = toCallError(error, session.settings);
    throw known !== undefined && draft.report !== undefined ? draft.report.located(known) : error;
  }
}
