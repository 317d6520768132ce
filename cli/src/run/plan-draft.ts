import type { PlanJobResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { toCallError } from "../client/call-error.ts";
import type { JobDraft } from "../job-file/job-draft.ts";
import type { Session } from "../session.ts";
import { resolveDraft } from "./resolve-draft.ts";

/** An empty folder's content id: stands for a folder that would be uploaded. */
const PLACEHOLDER_CID = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";

/** What the cluster would do with a job; nothing is submitted or uploaded. Refusals name places of the job file. */
export async function planDraft(session: Session, draft: JobDraft): Promise<PlanJobResponse> {
  const spec = await resolveDraft(draft, { folder: process.cwd(), upload: () => Promise.resolve(PLACEHOLDER_CID) });
  try {
    return await session.cluster.jobs.planJob({ spec });
  } catch (error) {
    const known = toCallError(error, session.settings);
    throw known !== undefined && draft.report !== undefined ? draft.report.located(known) : error;
  }
}
