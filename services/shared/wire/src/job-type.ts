import type { JobType } from "@skrei/domain";
import { JobSpec_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { reverse } from "./enum-table.ts";

export const JOB_TYPE_TO_PROTO = { batch: JobSpec_Type.BATCH } as const satisfies Record<JobType, JobSpec_Type>;
/** Without UNSPECIFIED, which is for the caller to judge. */
export const JOB_TYPE_FROM_PROTO = reverse<JobType>(JOB_TYPE_TO_PROTO);
