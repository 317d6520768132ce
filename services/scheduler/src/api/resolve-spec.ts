import { DomainError, LIMITS } from "@skrei/domain";
import type { InputSource, JobOutput, JobSpec, Publisher, RequestedInput, Violation } from "@skrei/domain";
import type { JobSpec as PbJobSpec } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { parseRequestedSpec } from "@skrei/wire/parse-job-spec.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findJobOutput, type FoundOutput, type JobLookups } from "./find-job-output.ts";

/** Makes specs of requests into specs that can be stored. Jobs that several inputs name are looked up once. */
export class SpecResolver {
  readonly #deps: SchedulerApiDeps;
  readonly #lookups: JobLookups;
  readonly #found = new Map<string, Promise<FoundOutput>>();

  /** Unless it `keepsFolders`, what it gives is for a look only: a joined folder is not in the store. */
  constructor(deps: SchedulerApiDeps, { signal, keepsFolders }: Pick<JobLookups, "signal" | "keepsFolders">) {
    this.#deps = deps;
    this.#lookups = { signal, keepsFolders, joinsLeft: LIMITS.joinedPartitionsMax };
  }

  /**
   * The checked spec, with the content id of what it names in place of each job's output.
   * @throws DomainError as `parseRequestedSpec` and `findJobOutput`, each with violations that name the inputs.
   */
  async resolve(pb: PbJobSpec | undefined): Promise<JobSpec> {
    const { task, ...spec } = parseRequestedSpec(pb);
    checkRetention(task.publisher, this.#deps.config.jobRetentionMs);
    const inputs: InputSource[] = [];
    const refusals: DomainError[] = [];
    for (const [index, input] of task.inputs.entries()) {
      const resolved = await this.#input(input, `task.inputs[${index}].job`);
      if (resolved instanceof DomainError) refusals.push(resolved);
      else inputs.push(resolved);
    }
    if (refusals.length > 0) throw together(refusals);
    return { ...spec, task: { ...task, inputs } };
  }

  async #input({ source, ...input }: RequestedInput, field: string): Promise<InputSource | DomainError> {
    if (source.type !== "job") return { ...input, source };
    try {
      const { job, cid } = await this.#find(source);
      const alias = input.alias === "" ? aliasOf(source, job.id) : input.alias;
      return { ...input, alias, source: { type: "content", cid, path: "" } };
    } catch (error) {
      if (error instanceof DomainError && OF_THE_REQUEST.includes(error.kind)) return located(error, field);
      throw error;
    }
  }

  #find(source: JobOutput): Promise<FoundOutput> {
    const key = JSON.stringify([source.job, source.output, source.partition]);
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const finding = findJobOutput(this.#deps, source, this.#lookups);
    this.#found.set(key, finding);
    return finding;
  }
}

/** A result goes with its job at the latest. */
function checkRetention({ retentionMs = 0 }: Publisher, retentionMsMax: number): void {
  if (retentionMs <= retentionMsMax) return;
  const message = `found ${retentionMs / 1000} s; allowed: at most ${retentionMsMax / 1000} s, for which this cluster keeps ended jobs`;
  throw new DomainError("invalid", "SPEC_INVALID", `The spec has a problem: task.publisher.retention: ${message}.`, {
    violations: [{ field: "task.publisher.retention", message, reason: "FIELD_INVALID" }],
    metadata: { problems: "1", retentionSecondsMax: String(retentionMsMax / 1000) },
    hint: "Ask for a shorter retention, or pin the result by a name when it is there.",
  });
}

/** Where the data came from, for people and manifests: the spec keeps only its content id. */
function aliasOf({ output, partition }: JobOutput, jobId: string): string {
  return `job:${jobId}${output === "" ? "" : `/${output}`}${partition === undefined ? "" : `#${partition}`}`;
}

/** The same refusal with the input that it is about. */
function located(error: DomainError, field: string): DomainError {
  const { kind, reason, message, metadata, violations } = error;
  const own: Violation = { field: reason === "JOB_NOT_FOUND" || reason === "JOB_AMBIGUOUS" ? `${field}.job` : field, message, reason };
  const below = violations.map((violation) => ({ ...violation, field: `${field}.${violation.field}` }));
  return new DomainError(kind, reason, message, { metadata, violations: below.length > 0 ? below : [own], cause: error });
}

function together(refusals: readonly DomainError[]): DomainError {
  const [first] = refusals;
  if (first !== undefined && refusals.length === 1) return first;
  const violations = refusals.flatMap((refusal) => refusal.violations);
  return new DomainError(
    "invalid",
    "SPEC_INVALID",
    `${refusals.length} inputs name outputs of jobs that cannot be used: ${first?.message ?? ""}`,
    {
      violations,
      metadata: { problems: String(violations.length) },
      hint: "Change the inputs listed and submit again.",
    },
  );
}

/** What is wrong with the request; all else is wrong with the cluster. */
const OF_THE_REQUEST: readonly string[] = ["invalid", "notFound", "precondition"];
