import { stat } from "node:fs/promises";
import { DomainError } from "@skrei/domain";
import type { PlanJobResponse } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { JobSpec } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { toCallError } from "../client/call-error.ts";
import type { JobDraft } from "../job-file/job-draft.ts";
import type { Session } from "../session.ts";
import { resolveDraft } from "./resolve-draft.ts";

/** An empty folder's content id: stands for a folder that would be uploaded. */
const PLACEHOLDER_CID = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";

/** What the cluster would do with a job; nothing is submitted or uploaded. Refusals name places of the job file. */
export async function planDraft(session: Session, draft: JobDraft, folder: string): Promise<PlanJobResponse> {
  const spec = await resolveForPlan(draft, folder);
  try {
    return await session.cluster.jobs.planJob({ spec });
  } catch (error) {
    const known = toCallError(error, session.settings);
    throw known !== undefined && draft.report !== undefined ? draft.report.located(known) : error;
  }
}

/** The spec with a stand-in for what would be uploaded. */
export async function resolveForPlan(draft: JobDraft, folder: string): Promise<JobSpec> {
  return resolveDraft(draft, { folder, upload: (path) => stat(path).then(() => PLACEHOLDER_CID, refuse(path, draft)) });
}

function refuse(path: string, { report }: JobDraft): (cause: unknown) => never {
  return (cause) => {
    throw new DomainError("invalid", "FIELD_INVALID", `The input ${path} does not exist here or cannot be read.`, {
      cause,
      hint: report === undefined ? "Give a path of this machine." : "Paths of a job file are relative to the file.",
    });
  };
}
