import { DomainError, LIMITS } from "@skrei/domain";
import type { Job, JobSpec, Violation } from "@skrei/domain";
import type { SubmitJobRequest, SubmitJobsRequest } from "@skrei/proto/skrei/job/v1/job_service_pb.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { SpecResolver } from "./resolve-spec.ts";

interface Submission {
  readonly requestId: string;
  readonly spec: JobSpec;
}

export async function submitJob(deps: SchedulerApiDeps, request: SubmitJobRequest, signal: AbortSignal): Promise<Job> {
  const requestId = parseRequestId(request.requestId);
  const [job] = await deps.commands.submit([
    { requestId, spec: await new SpecResolver(deps, { signal, keepsFolders: true }).resolve(request.spec) },
  ]);
  if (job === undefined) throw new Error("the leader answered a submission with no job");
  return job;
}

/** All or none: problems of every spec are reported together. */
export async function submitJobs(deps: SchedulerApiDeps, { jobs }: SubmitJobsRequest, signal: AbortSignal): Promise<readonly Job[]> {
  if (jobs.length === 0 || jobs.length > LIMITS.submitJobsMax) {
    throw new DomainError("invalid", "FIELD_INVALID", `jobs has ${jobs.length} entries; allowed are 1 to ${LIMITS.submitJobsMax}.`);
  }
  const submissions: Submission[] = [];
  const violations: Violation[] = [];
  const resolver = new SpecResolver(deps, { signal, keepsFolders: true });
  for (const [index, request] of jobs.entries()) {
    if (violations.length >= VIOLATIONS_MAX) break;
    const parsed = await parseSubmission(request, resolver);
    if ("spec" in parsed) submissions.push(parsed);
    else violations.push(...parsed.violations.map((violation) => ({ ...violation, field: `jobs[${index}].${violation.field}` })));
  }
  const [first] = violations;
  if (first !== undefined) throw submissionInvalid(first, violations);
  return deps.commands.submit(submissions);
}

function submissionInvalid(first: Violation, violations: readonly Violation[]): DomainError {
  return new DomainError("invalid", "SPEC_INVALID", `No job was stored: the problem at ${first.field} is: ${first.message}.`, {
    violations: violations.slice(0, VIOLATIONS_MAX),
    metadata: { problems: String(violations.length) },
    hint: "Change the fields listed and submit all of them again.",
  });
}

async function parseSubmission(
  request: SubmitJobRequest,
  resolver: SpecResolver,
): Promise<Submission | { readonly violations: readonly Violation[] }> {
  try {
    return { requestId: parseRequestId(request.requestId), spec: await resolver.resolve(request.spec) };
  } catch (error) {
    if (!(error instanceof DomainError) || error.violations.length === 0) throw error;
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
