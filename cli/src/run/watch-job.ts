import { setTimeout as sleep } from "node:timers/promises";
import { hasReason } from "@skrei/domain";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import { isConnectionLost, toCallError } from "../client/call-error.ts";
import { say } from "../output/terminal.ts";
import type { Session } from "../session.ts";
import { isEnded } from "./job-words.ts";

/** Tries for about two minutes before it gives up on a cluster that went away. */
const RECONNECTS_MAX = 30;
const RECONNECT_DELAY_MS_MAX = 5_000;

/** The job now and at each change, up to its end. Reconnects and resumes when the connection breaks. */
export async function* watchJob(session: Session, jobId: string, signal: AbortSignal): AsyncGenerator<Job> {
  const position = { resumeToken: "", failures: 0 };
  for (;;) {
    try {
      if (yield* watchOnce(session, { jobId, signal, position })) return;
    } catch (error) {
      if (signal.aborted || !mayReconnect(error, position)) throw error;
      if (position.failures === 0) await say(session.terminal, "connection lost, the job goes on; trying again …");
    }
    position.failures++;
    await sleep(Math.min(RECONNECT_DELAY_MS_MAX, 100 * 2 ** position.failures), undefined, { signal });
  }
}

interface Position {
  resumeToken: string;
  failures: number;
}

/** One stream; true when it brought the job's end. */
async function* watchOnce(
  session: Session,
  { jobId, signal, position }: { jobId: string; signal: AbortSignal; position: Position },
): AsyncGenerator<Job, boolean> {
  const request = { filter: `id:${jobId}`, resumeToken: position.resumeToken, snapshotSize: 1 };
  for await (const message of session.cluster.jobs.watchJobs(request, { signal })) {
    position.failures = 0;
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
  return isConnectionLost(error) && position.failures < RECONNECTS_MAX;
}
