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
  let resumeToken = "";
  let failures = 0;
  for (;;) {
    try {
      for await (const message of session.cluster.jobs.watchJobs({ filter: `id:${jobId}`, resumeToken, snapshotSize: 1 }, { signal })) {
        failures = 0;
        if (message.resumeToken !== "") resumeToken = message.resumeToken;
        for (const job of message.jobs) {
          yield job;
          if (isEnded(job)) return;
        }
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (hasReason(toCallError(error, undefined), "RESUME_TOKEN_EXPIRED")) resumeToken = "";
      else if (!isConnectionLost(error) || failures >= RECONNECTS_MAX) throw error;
      if (failures === 0) await say(session.terminal, "connection lost, the job goes on; trying again …");
    }
    failures++;
    await sleep(Math.min(RECONNECT_DELAY_MS_MAX, 100 * 2 ** failures), undefined, { signal });
  }
}
