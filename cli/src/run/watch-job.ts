import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, hasReason } from "@skrei/domain";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { isConnectionLost, toCallError } from "../client/call-error.ts";
import { readDevCluster } from "../client/dev-cluster.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { isEnded } from "./job-words.ts";

/** Tries for about two minutes before it gives up on a cluster that went away. */
const RECONNECTS_MAX = 30;
const RECONNECT_DELAY_MS_MAX = 5_000;

/**
 * The job now and at each change, up to its end. Reconnects and resumes when the connection breaks, and says so.
 * @throws DomainError unavailable/UNREACHABLE that names the job, when the cluster stays away.
 */
export async function* watchJob(
  session: Session,
  jobId: string,
  { signal, reconnectsMax = RECONNECTS_MAX }: { readonly signal: AbortSignal; readonly reconnectsMax?: number },
): AsyncGenerator<Job> {
  const position: Position = { resumeToken: "", failures: 0, isAway: false };
  for (;;) {
    try {
      if (yield* watchOnce(session, { jobId, signal, position })) return;
    } catch (error) {
      if (signal.aborted) throw error;
      if (!mayReconnect(error, position)) throw error;
      await refuseEndedDev(session, jobId);
      if (position.failures >= reconnectsMax) throw stayedAway(error, session, jobId);
      // A stream that ended in order is followed by the first refusal.
      if (!position.isAway) await say(session.terminal, "connection lost, trying again …");
      position.isAway = true;
    }
    position.failures++;
    await sleep(Math.min(RECONNECT_DELAY_MS_MAX, 100 * 2 ** position.failures), undefined, { signal });
  }
}

interface Position {
  resumeToken: string;
  failures: number;
  /** Said to be lost, and not back yet. */
  isAway: boolean;
}

/** One stream; true when it brought the job's end. */
async function* watchOnce(
  session: Session,
  { jobId, signal, position }: { jobId: string; signal: AbortSignal; position: Position },
): AsyncGenerator<Job, boolean> {
  const request = { filter: `id:${jobId}`, resumeToken: position.resumeToken, snapshotSize: 1 };
  for await (const message of session.cluster.jobs.watchJobs(request, { signal })) {
    position.failures = 0;
    if (position.isAway) await say(session.terminal, "connected again");
    position.isAway = false;
    if (message.resumeToken !== "") position.resumeToken = message.resumeToken;
    for (const job of message.jobs) {
      yield job;
      if (isEnded(job)) return true;
    }
  }
  return false;
}

function mayReconnect(error: unknown, position: Position): boolean {
  if (hasReason(toCallError(error, undefined), "RESUME_TOKEN_EXPIRED")) {
    position.resumeToken = "";
    return true;
  }
  return isConnectionLost(error);
}

/** What `skrei dev` ran comes back, if at all, when somebody starts it again. */
async function refuseEndedDev({ settings, terminal }: Session, jobId: string): Promise<void> {
  const dev = await readDevCluster(settings, terminal.env);
  if (dev?.hasEnded !== true) return;
  const { dataFolder } = dev;
  const fate = dataFolder === undefined ? `${jobId} with it` : `${jobId} goes on with the next one over ${dataFolder}`;
  throw new DomainError("unavailable", "UNREACHABLE", `The dev cluster at ${settings.server} has ended, and ${fate}.`, {
    hint: dataFolder === undefined ? "Start one that keeps its jobs: skrei dev --data ./.skrei" : `skrei dev --data ${dataFolder}`,
  });
}

function stayedAway(error: unknown, session: Session, jobId: string): unknown {
  const known = toCallError(error, session.settings);
  if (known === undefined) return error;
  const message = `${known.message.replace(/\.$/u, "")}; what became of ${jobId} is not known.`;
  return new DomainError(known.kind, known.reason, message, {
    cause: known.cause,
    hint: `When the cluster is back: skrei job logs ${jobId} --follow, or skrei job describe ${jobId}.`,
  });
}
