import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { toCallError } from "../client/call-error.ts";
import { cleanLine } from "../output/clean-text.ts";
import { advice } from "../output/render-error.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { adviseWaiting } from "./advise-waiting.ts";
import { isEnded } from "./job-words.ts";
import { describeWaiting } from "./progress-lines.ts";

/** The first evaluation of a job comes within this time, or it is not waited for. */
const PATIENCE_MS = 1_500;
const LOOK_INTERVAL_MS = 50;

/** Who submits and leaves is told, if it is known at once, that no node can run the job. */
export async function warnUnplaceable(session: Session, first: Job): Promise<void> {
  const limit = AbortSignal.any([session.signal, AbortSignal.timeout(PATIENCE_MS)]);
  let job = first;
  try {
    while (!isEvaluated(job)) {
      await sleep(LOOK_INTERVAL_MS, undefined, { signal: limit });
      job = (await session.cluster.jobs.getJob({ jobId: first.jobId }, { signal: limit })).job ?? job;
    }
  } catch (error) {
    // The job is submitted; that nobody can tell more of it now is no failure of this command.
    if (!limit.aborted && toCallError(error, undefined) === undefined) throw error;
    return;
  }
  if (job.waiting?.impossible !== true) return;
  const { fix } = await adviseWaiting(session, job);
  await say(
    session.terminal,
    `note: no node can run it as the cluster stands; ${cleanLine(describeWaiting(job.waiting))}`,
    `  ${session.terminal.stderr.style("green", "fix:")} ${advice(fix)}`,
  );
}

function isEvaluated(job: Job): boolean {
  const { waiting = 0, running = 0, completed = 0, failed = 0 } = job.partitions ?? {};
  const isPlaced = waiting === 0 && running + completed + failed > 0;
  return job.waiting !== undefined || isPlaced || isEnded(job);
}
