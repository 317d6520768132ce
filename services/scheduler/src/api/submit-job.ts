import { DomainError, LIMITS } from "@skrei/domain";
import type { Job, JobSpec, Violation } from "@skrei/domain";
import type { SubmitJobRequest, SubmitJobsRequest } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import { parseJobSpec } from "@skrei/wire/parse-job-spec.ts";
import type { SchedulerApiDeps } from "./deps.ts";

interface Submission {
  readonly requestId: string;
  readonly spec: JobSpec;
}

export async function submitJob({ commands }: SchedulerApiDeps, request: SubmitJobRequest): Promise<Job> {
  const [job] = await commands.submit([{ requestId: parseRequestId(request.requestId), spec: parseJobSpec(request.spec) }]);
  if (job === undefined) throw new Error("the leader answered a submission with no job");
  return job;
}

/** All or none: problems of every spec are reported together. */
export async function submitJobs({ commands }: SchedulerApiDeps, { jobs }: SubmitJobsRequest): Promise<readonly Job[]> {
  if (jobs.length === 0 || jobs.length > LIMITS.submitJobsMax) {
    throw new DomainError("invalid", "FIELD_INVALID", `jobs has ${jobs.length} entries; allowed are 1 to ${LIMITS.submitJobsMax}.`);
  }
  const submissions: Submission[] = [];
  const violations: Violation[] = [];
  for (const [index, request] of jobs.entries()) {
    if (violations.length >= VIOLATIONS_MAX) break;
    const parsed = parseSubmission(request);
    if ("spec" in parsed) submissions.push(parsed);
    else violations.push(...parsed.violations.map((violation) => ({ ...violation, field: `jobs[${index}].${violation.field}` })));
  }
  const [first] = violations;
  if (first !== undefined) throw submissionInvalid(first, violations);
  return commands.submit(submissions);
}

function submissionInvalid(first: Violation, violations: readonly Violation[]): DomainError {
  return new DomainError("invalid", "SPEC_INVALID", `No job was stored: the problem at ${first.field} is: ${first.message}.`, {
    violations: violations.slice(0, VIOLATIONS_MAX),
    metadata: { problems: String(violations.length) },
    hint: "Change the fields listed and submit all of them again.",
  });
}

function parseSubmission(request: SubmitJobRequest): Submission | { readonly violations: readonly Violation[] } {
  try {
    return { requestId: parseRequestId(request.requestId), spec: parseJobSpec(request.spec) };
  } catch (error) {
    if (!(error instanceof DomainError) || error.kind !== "invalid") throw error;
    return {
      violations: error.violations.map((violation) =>
        violation.field === "requestId" ? violation : { ...violation, field: `spec.${violation.field}` },
      ),
    };
  }
}

/** Empty is not idempotent. @throws DomainError invalid/FIELD_INVALID. */
export function parseRequestId(requestId: string): string {
  if (requestId === "" || /^[\w-]{8,64}$/u.test(requestId)) return requestId;
  const message = `found ${JSON.stringify(requestId.slice(0, 80))}; allowed: 8 to 64 characters of letters, digits, _ and -, or nothing`;
  throw new DomainError("invalid", "FIELD_INVALID", `The request id is malformed: ${message}.`, {
    violations: [{ field: "requestId", message, reason: "FIELD_INVALID" }],
  });
}

const VIOLATIONS_MAX = 100;
