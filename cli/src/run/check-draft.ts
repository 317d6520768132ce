import { DomainError } from "@skrei/domain";
import { Network_Mode } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { JobDraft } from "../job-file/job-draft.ts";
import { resolveForPlan } from "./plan-draft.ts";

/** The API's own rules, applied here; nothing is uploaded. @throws DomainError invalid/SPEC_INVALID at the places of the job file. */
export async function checkDraft(draft: JobDraft, folder: string): Promise<void> {
  const spec = await resolveForPlan(draft, folder);
  // With the public suffix list, which no other command should wait for.
  const { parseRequestedSpec } = await import("@skrei/wire/parse-job-spec.ts");
  try {
    parseRequestedSpec(spec);
  } catch (error) {
    throw error instanceof DomainError && draft.report !== undefined ? draft.report.located(error) : error;
  }
}

/** What is easily got wrong is looked at before anything is uploaded for it; a plain job need not wait for that. */
export function isCheckedFirst({ spec: { task }, inputs }: JobDraft): boolean {
  const isSpecial = inputs.some(({ source, partition }) => source.type === "upload" || source.type === "s3" || partition !== undefined);
  return isSpecial || task.publisher !== undefined || task.network?.mode === Network_Mode.HTTP;
}
