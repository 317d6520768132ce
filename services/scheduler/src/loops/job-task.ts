import type { JobTask } from "../ports.ts";
import type { JobEntry } from "./live-state.ts";

/** What asks and assignments say about a job; of its current version unless another is named. */
export function jobTaskOf({ job }: Pick<JobEntry, "job">, jobVersion = job.version): JobTask {
  return { jobId: job.id, jobVersion, jobName: job.spec.name, partitionCount: job.spec.count, task: job.spec.task };
}
