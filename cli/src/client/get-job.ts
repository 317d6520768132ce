import { DomainError } from "@skrei/domain";
import type { Job } from "@skrei/proto/skrei/job/v1/job_pb.ts";
import type { Session } from "../session.ts";

/** The job by id, unique prefix or name. */
export async function getJob(session: Session, jobId: string): Promise<Job> {
  const { job } = await session.cluster.jobs.getJob({ jobId });
  return present(job);
}

export function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new DomainError("unavailable", "INTERNAL_ERROR", "The cluster answered without what was asked for.");
  return value;
}
