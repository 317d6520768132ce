import { LIMITS } from "@skrei/domain";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { JobSpec_Type } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { constraintToProto } from "@skrei/wire/constraint.ts";
import { parseDuration } from "../parse/parse-duration.ts";
import { raise } from "../parse/raise.ts";
import { isKnownJobType, refuseFeature, refuseJobType } from "../parse/refused-features.ts";
import { FieldCursor } from "./field-cursor.ts";
import type { JobDraft, JobSpecInit } from "./job-draft.ts";
import { JobFileReport } from "./problems.ts";
import { readName } from "./read-name.ts";
import { readConstraint } from "./read-constraint.ts";
import { readTask } from "./read-task.ts";
import type { TaskDraft } from "./read-task.ts";
import { parseYaml } from "./yaml-document.ts";

/** Fields that the cluster writes; Bacalhau refuses them in a file too. */
const SYSTEM_FIELDS = ["ID", "State", "Version", "Revision", "CreateTime", "ModifyTime"];

export interface JobFile {
  readonly text: string;
  /** As it shall appear in messages. */
  readonly fileName: string;
}

/**
 * A job in Bacalhau's YAML or JSON, or with our additions (source types upload and content, Retry).
 * @throws DomainError invalid/SPEC_INVALID with every problem and its place; FEATURE_NOT_AVAILABLE when only such features are the problem.
 */
export function readJobFile({ text, fileName }: JobFile): JobDraft {
  const report = new JobFileReport(fileName);
  const source = parseYaml(text, fileName);
  for (const problem of source.problems) report.add(problem, "SPEC_INVALID", problem.message);
  if (!report.isClean) throw report.toError();
  const root = new FieldCursor(source, report, { node: source.document.contents, name: "the job" });
  const draft = readJob(root, report);
  if (!report.isClean) throw report.toError();
  return draft;
}

function readJob(root: FieldCursor, report: JobFileReport): JobDraft {
  const spec: { -readonly [Key in keyof JobDraft["spec"]]?: JobDraft["spec"][Key] } = {};
  let task: TaskDraft | undefined;
  let hasType = false;
  let displayName: string | undefined;
  root.fields({
    Name: (field) => ({ name: spec.name, displayName } = readName(field.is("name"))),
    Namespace: (field) => (spec.namespace = field.is("namespace").text() ?? ""),
    Type: (field) => {
      hasType = true;
      readType(field.is("type"));
      spec.type = JobSpec_Type.BATCH;
    },
    Priority: (field) => (spec.priority = field.is("priority").integer(-100, 100) ?? 0),
    Count: (field) => (spec.count = field.is("count").integer(1, LIMITS.partitionsMax) ?? 1),
    Labels: (field) => (spec.labels = field.is("labels").stringMap()),
    Meta: (field) => (spec.meta = field.is("meta").stringMap()),
    Constraints: (field) =>
      (spec.constraints = field
        .is("constraints")
        .list()
        .flatMap((item, index) => readConstraint(item.is(`constraints[${index}]`)) ?? [])
        .map(constraintToProto)),
    Retry: (field) => (spec.retry = readRetry(field.is("retry"))),
    Tasks: (field) => (task = readTasks(field)),
    ...Object.fromEntries(
      SYSTEM_FIELDS.map((name) => [
        name,
        (field: FieldCursor) => field.problem("FIELD_INVALID", `field "${name}" is written by the cluster; remove it.`),
      ]),
    ),
  });
  if (!hasType) root.problem("FIELD_REQUIRED", 'field "Type" is missing in the job; add `Type: batch`.');
  if (task === undefined) root.problem("FIELD_REQUIRED", 'field "Tasks" is missing in the job; it needs one task.');
  if (displayName !== undefined) spec.meta = { "display-name": displayName, ...spec.meta };
  return { spec: { ...spec, task: task?.task ?? {} }, inputs: task?.inputs ?? [], report };
}

function readType(field: FieldCursor): void {
  const type = field.text()?.trim().toLowerCase();
  if (type === undefined || type === "batch") return;
  if (isKnownJobType(type)) field.attempt(() => raise(refuseJobType(type)));
  else field.problem("FIELD_INVALID", `Type is "${type}"; expected batch.`);
}

function readTasks(field: FieldCursor): TaskDraft | undefined {
  const [first, second] = field.is("task").list();
  if (first === undefined) return field.problem("FIELD_REQUIRED", "Tasks needs one task.");
  second?.attempt(() =>
    raise(refuseFeature("Several tasks in one job are", "Submit one job a task; only one is taken, and none is dropped in silence.")),
  );
  return readTask(first.is("task"));
}

function readRetry(retry: FieldCursor): NonNullable<Exclude<JobSpecInit, { readonly $typeName: string }>["retry"]> {
  let policy: {
    maxAttempts?: number;
    retryUserFailures?: boolean;
    retryExitCodes?: number[];
    backoff?: ReturnType<typeof durationFromMs>;
    backoffMax?: ReturnType<typeof durationFromMs>;
  } = {};
  retry.fields({
    MaxAttempts: (field) => (policy = { ...policy, maxAttempts: field.is("retry.maxAttempts").integer(1, LIMITS.attemptsMax) ?? 1 }),
    Backoff: (field) => (policy = { ...policy, backoff: durationFromMs(field.is("retry.backoff").parsed(parseDuration) ?? 0) }),
    BackoffMax: (field) => (policy = { ...policy, backoffMax: durationFromMs(field.is("retry.backoffMax").parsed(parseDuration) ?? 0) }),
    RetryUserFailures: (field) => (policy = { ...policy, retryUserFailures: field.boolean() ?? false }),
    RetryExitCodes: (field) =>
      (policy = {
        ...policy,
        retryExitCodes: field
          .is("retry.retryExitCodes")
          .list()
          .flatMap((item) => item.integer(1, 255) ?? []),
      }),
  });
  return policy;
}
