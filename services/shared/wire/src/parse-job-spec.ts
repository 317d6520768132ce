import { toBinary } from "@bufbuild/protobuf";
import { addSpecViolations, DEFAULTS, DomainError, LIMITS, Violations } from "@skrei/domain";
import type {
  Constraint,
  DraftSpec,
  DraftTask,
  Engine,
  InputSource,
  JobSpec,
  RequestedInput,
  RequestedSpec,
  Resources,
  RetryPolicy,
  Timeouts,
} from "@skrei/domain";
import { Constraint_Operator, JobSpecSchema, JobSpec_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type {
  JobSpec as PbJobSpec,
  RetryPolicy as PbRetryPolicy,
  Task as PbTask,
  Timeouts as PbTimeouts,
} from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { constraintFromProto } from "./constraint.ts";
import { draftDuration } from "./draft-duration.ts";
import { draftInputs } from "./draft-input.ts";
import { draftNetwork } from "./draft-network.ts";
import { draftPublisher } from "./draft-publisher.ts";
import { JOB_TYPE_FROM_PROTO } from "./job-type.ts";
import { engineFromProto } from "./task.ts";

/**
 * A spec from a stranger: everything is checked, every default filled in.
 * @throws DomainError invalid/SPEC_INVALID with all problems as violations (the first 100); `field` is the path in the API's JSON.
 */
export function parseRequestedSpec(pb: PbJobSpec | undefined): RequestedSpec {
  const violations = new Violations();
  if (pb === undefined) throw specInvalid(violations, "spec", "missing; allowed: a job spec");
  const specBytes = toBinary(JobSpecSchema, pb).length;
  if (specBytes > LIMITS.specBytesMax) {
    throw specInvalid(
      violations,
      "spec",
      `found ${specBytes} bytes; allowed: at most ${LIMITS.specBytesMax} bytes; upload large data and refer to its content id`,
    );
  }
  const draft = draftSpec(pb, violations);
  addSpecViolations(draft, violations);
  const spec = completeSpec(draft);
  if (spec === undefined || violations.count > 0) throw specInvalid(violations);
  return spec;
}

/**
 * As `parseRequestedSpec`, of a spec that can be stored as it stands.
 * @throws DomainError invalid/SPEC_INVALID also for an input that names a job.
 */
export function parseJobSpec(pb: PbJobSpec | undefined): JobSpec {
  const { task, ...spec } = parseRequestedSpec(pb);
  const inputs = task.inputs.map(({ source, ...input }, index): InputSource => {
    if (source.type !== "job") return { ...input, source };
    throw specInvalid(new Violations(), `task.inputs[${index}].job`, "found an output of a job; allowed: the content id that it has");
  });
  return { ...spec, task: { ...task, inputs } };
}

function draftSpec(pb: PbJobSpec, violations: Violations): DraftSpec {
  const type = JOB_TYPE_FROM_PROTO.get(pb.type === JobSpec_Type.UNSPECIFIED ? JobSpec_Type.BATCH : pb.type);
  if (type === undefined) violations.add("type", `found ${pb.type}; allowed: TYPE_BATCH`, "FEATURE_NOT_AVAILABLE");
  if (pb.task === undefined) violations.add("task", "missing; allowed: a task with docker or wasm", "FIELD_REQUIRED");
  return {
    name: pb.name,
    namespace: pb.namespace === "" ? "default" : pb.namespace,
    type: type ?? "batch",
    priority: pb.priority,
    count: pb.count === 0 ? 1 : pb.count,
    labels: { ...pb.labels },
    meta: { ...pb.meta },
    constraints: draftConstraints(pb, violations),
    task: pb.task === undefined ? undefined : draftTask(pb.task, violations),
    retry: draftRetry(pb.retry, violations),
  };
}

function draftConstraints(pb: PbJobSpec, violations: Violations): readonly Constraint[] {
  return pb.constraints.map((pbConstraint, index) => {
    const constraint = constraintFromProto(pbConstraint);
    if (constraint !== undefined) return constraint;
    const isSet = pbConstraint.operator !== Constraint_Operator.UNSPECIFIED;
    violations.add(
      `constraints[${index}].operator`,
      `${isSet ? `found ${pbConstraint.operator}` : "missing"}; allowed: ${OPERATOR_NAMES}`,
      isSet ? "FIELD_INVALID" : "FIELD_REQUIRED",
    );
    // Fits any number of values, so that nothing is reported twice.
    return { key: pbConstraint.key, operator: pbConstraint.values.length === 0 ? "exists" : "in", values: [...pbConstraint.values] };
  });
}

function draftTask(pb: PbTask, violations: Violations): DraftTask {
  const engine = engineFromProto(pb.engine);
  if (engine === undefined) violations.add("task", "has no engine; allowed: docker or wasm", "FIELD_REQUIRED");
  return {
    name: pb.name === "" ? "main" : pb.name,
    engine: engine === undefined ? undefined : withEngineDefaults(engine),
    env: { ...pb.env },
    inputs: draftInputs(pb, violations),
    outputs: pb.outputs.map(({ name, path }) => ({ name, path })),
    resources: withResourceDefaults(pb.resources),
    network: draftNetwork(pb.network, violations),
    publisher: draftPublisher(pb.publisher, violations),
    timeouts: draftTimeouts(pb.timeouts, violations),
  };
}

function withEngineDefaults(engine: Engine): Engine {
  return engine.name === "wasm" && engine.entrypoint === "" ? { ...engine, entrypoint: "_start" } : engine;
}

function withResourceDefaults(pb: PbTask["resources"]): Resources {
  return {
    cpuMillis: Number(pb?.cpuMillis || DEFAULTS.cpuMillis),
    memoryBytes: Number(pb?.memoryBytes || DEFAULTS.memoryBytes),
    diskBytes: Number(pb?.diskBytes || DEFAULTS.diskBytes),
  };
}

function draftTimeouts(pb: PbTimeouts | undefined, violations: Violations): Timeouts {
  const queueMs = draftDuration(0, { field: "task.timeouts.queue", duration: pb?.queue, violations });
  const totalMs = draftDuration(0, { field: "task.timeouts.total", duration: pb?.total, violations });
  // A total shorter than the default bounds the default, else everybody who sets a total had to set both.
  const defaultMs = totalMs > 0 ? Math.min(DEFAULTS.executionTimeoutMs, Math.max(0, totalMs - queueMs)) : DEFAULTS.executionTimeoutMs;
  return {
    executionMs: draftDuration(defaultMs, { field: "task.timeouts.execution", duration: pb?.execution, violations }),
    queueMs,
    totalMs,
  };
}

function draftRetry(pb: PbRetryPolicy | undefined, violations: Violations): RetryPolicy {
  const backoffMs = draftDuration(DEFAULTS.backoffMs, { field: "retry.backoff", duration: pb?.backoff, violations });
  return {
    attemptsMax: pb?.maxAttempts || DEFAULTS.attemptsMax,
    backoffMs,
    backoffMsMax: draftDuration(Math.max(DEFAULTS.backoffMsMax, backoffMs), {
      field: "retry.backoffMax",
      duration: pb?.backoffMax,
      violations,
    }),
    retriesUserFailures: pb?.retryUserFailures ?? false,
    retryExitCodes: [...(pb?.retryExitCodes ?? [])],
  };
}

function completeSpec({ task, ...spec }: DraftSpec): RequestedSpec | undefined {
  if (task === undefined || task.engine === undefined) return undefined;
  const inputs = task.inputs.flatMap(({ source, ...input }): RequestedInput[] => (source === undefined ? [] : [{ ...input, source }]));
  return { ...spec, task: { ...task, engine: task.engine, inputs } };
}

function specInvalid(violations: Violations, field?: string, message?: string): DomainError {
  if (field !== undefined && message !== undefined) violations.add(field, message);
  const [first] = violations.all;
  const count = violations.count;
  const rest = count === 1 ? "" : ` (and ${count - 1} more problem${count === 2 ? "" : "s"})`;
  return new DomainError(
    "invalid",
    "SPEC_INVALID",
    `The job spec has a problem at ${first?.field ?? "spec"}: ${first?.message ?? "unknown"}${rest}.`,
    {
      violations: violations.all,
      metadata: { problems: String(count) },
      hint: "Change the fields listed and submit again; `skrei job plan` checks a spec without running it.",
    },
  );
}

const OPERATOR_NAMES = Object.keys(Constraint_Operator)
  .filter((name) => name !== "UNSPECIFIED")
  .map((name) => `OPERATOR_${name}`)
  .join(", ");
