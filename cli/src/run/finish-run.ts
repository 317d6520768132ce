import type { Execution } from "@skrei/proto/skrei/execution/v1/execution_pb.ts";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { Job_State } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { EXIT, ExitError } from "../exit-code.ts";
import { networkProblems } from "../network/network-problems.ts";
import { cleanLine } from "../output/clean-text.ts";
import { advice, sentence } from "../output/render-error.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import type { Followed } from "./follow-job.ts";
import { took } from "./job-words.ts";
import { newestByPartition } from "./list-executions.ts";
import { describeWaiting } from "./progress-lines.ts";
import { adviseWaiting } from "./advise-waiting.ts";

export interface FinishOptions {
  readonly isQuiet: boolean;
  /** End with the job's own exit code. */
  readonly returnsExitCode: boolean;
  /** False when the cluster does not outlive the command. */
  readonly namesNextCommands?: boolean;
}

type FinishSession = Pick<Session, "terminal" | "settings">;

/** The last lines of a run. Ends the command with the code that says how it went. */
export async function finishRun(
  session: FinishSession,
  { job, executions, lastErrors, isUnplaceable }: Followed,
  options: FinishOptions,
): Promise<void> {
  if (isUnplaceable) return reportUnplaceable(session, job, options.isQuiet);
  if (job.state === Job_State.COMPLETED) {
    if (!options.isQuiet) await reportDone(session, job, { executions, namesNextCommands: options.namesNextCommands !== false });
    return;
  }
  await reportFailure(session, job, { lastErrors, executions });
  throw new ExitError(options.returnsExitCode && job.exitCode !== undefined && job.exitCode !== 0 ? job.exitCode : EXIT.jobFailed);
}

async function reportDone(
  { terminal }: FinishSession,
  job: Job,
  { executions, namesNextCommands }: Pick<Followed, "executions"> & { readonly namesNextCommands: boolean },
): Promise<void> {
  const problems = networkProblems(job, executions);
  await say(
    terminal,
    `Done in ${took(job, Date.now())}.`,
    ...deliveries(job, executions),
    ...(problems?.summary === undefined ? [] : [`  net    ${problems.summary} (${problems.lines[0] ?? ""}): ${problems.command}`]),
    ...(namesNextCommands ? [`  files  skrei job get ${job.jobId}`, `  story  skrei job describe ${job.jobId}`] : []),
  );
}

/** Where the targets have the results. */
function deliveries({ jobId }: Job, executions: readonly Execution[]): readonly string[] {
  const urls = [...newestByPartition(executions).values()]
    .toSorted((a, b) => a.partition - b.partition)
    .map(({ deliveryUrl }) => deliveryUrl)
    .filter((url) => url !== "");
  const left = urls.length - DELIVERIES_SHOWN;
  const lines = [...urls.slice(0, DELIVERIES_SHOWN), ...(left > 0 ? [`and ${left} more: skrei job results ${jobId}`] : [])];
  return lines.map((line, index) => `  ${(index === 0 ? "sent" : "").padEnd(7)}${cleanLine(line)}`);
}

const DELIVERIES_SHOWN = 3;

async function reportFailure(
  { terminal }: FinishSession,
  job: Job,
  { lastErrors, executions }: Pick<Followed, "lastErrors" | "executions">,
): Promise<void> {
  const { stderr } = terminal;
  const { reason, message, hint } = failureOf(job);
  const problems = networkProblems(job, executions);
  await say(
    terminal,
    `${stderr.style(["red", "bold"], "error:")} ${sentence(message)}`,
    ...(job.exitCode === undefined || job.exitCode === 0 ? [] : [`       exit code ${job.exitCode}`]),
    ...lastErrors.map((line, index) => `${index === 0 ? " last: " : "       "}${line}`),
    ...(problems?.lines ?? []).map((line, index) => `${index === 0 ? "  net: " : "       "}${line}`),
    ...(problems === undefined ? [] : [` look: ${problems.command}`]),
    stderr.style("dim", ` code: ${reason} · ${job.jobId} · logs: skrei job logs ${job.jobId}`),
    hint === "" ? `  story  skrei job describe ${job.jobId}` : `  ${stderr.style("green", "fix:")} ${advice(hint)}`,
  );
}

function failureOf({ failure, state }: Job): { reason: string; message: string; hint: string } {
  if (failure !== undefined) return { reason: failure.reason, message: failure.message, hint: failure.hint };
  const isStopped = state === Job_State.STOPPED;
  return {
    reason: isStopped ? "STOPPED_BY_USER" : "EXIT_NONZERO",
    message: isStopped ? "the job was stopped" : "the job failed",
    hint: "",
  };
}

/** Why was said while it waited, unless nothing was. */
async function reportUnplaceable(session: FinishSession, job: Job, isQuiet: boolean): Promise<never> {
  const { stderr } = session.terminal;
  const { code, fix } = await adviseWaiting(session, job);
  await say(
    session.terminal,
    `${stderr.style(["red", "bold"], "error:")} No node can run this job as the cluster stands; it waits for one that can`,
    ...(isQuiet && job.waiting !== undefined ? [`  why: ${cleanLine(describeWaiting(job.waiting))}`] : []),
    stderr.style("dim", ` code: ${code} · ${job.jobId}`),
    `  ${stderr.style("green", "fix:")} ${advice(fix)}; to drop it: skrei job stop ${job.jobId}`,
  );
  throw new ExitError(EXIT.unplaceable);
}
