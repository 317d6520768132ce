import { create } from "@bufbuild/protobuf";
import type { Desired, ExecutionId, Verdict } from "@skrei/domain";
import { AssignRequestSchema } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import type { AssignRequest, Assignment as PbAssignment } from "@skrei/proto/skrei/agent/v1/agent_service_pb.ts";
import { DESIRED_FROM_PROTO, DESIRED_TO_PROTO, VERDICT_FROM_PROTO, VERDICT_TO_PROTO } from "./execution.ts";
import { createTaskReader, createTaskTable } from "./job-task.ts";
import type { JobTask } from "./job-task.ts";

/** One execution a node shall hold. */
export interface Assignment {
  readonly executionId: ExecutionId;
  readonly job: JobTask;
  readonly partition: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly desired: Desired;
  readonly verdict: Verdict;
  readonly askId: string;
  readonly isAcceptedAtOnce: boolean;
}

/** A complete set of assignments, or an increment that chains to the last one by token. */
export interface AssignmentSet {
  /** Empty for a complete set. */
  readonly appliesTo: string;
  readonly resultsIn: string;
  readonly isComplete: boolean;
  readonly assignments: readonly Assignment[];
  readonly releasedExecutionIds: readonly ExecutionId[];
  readonly releasedAskIds: readonly string[];
}

export function assignmentSetToProto(session: string, set: AssignmentSet): AssignRequest {
  const table = createTaskTable();
  const assignments = set.assignments.map(({ job, desired, verdict, epoch, isAcceptedAtOnce, ...rest }) => ({
    ...rest,
    taskIndex: table.indexOf(job),
    epoch: BigInt(epoch),
    desired: DESIRED_TO_PROTO[desired],
    verdict: VERDICT_TO_PROTO[verdict],
    acceptAtOnce: isAcceptedAtOnce,
  }));
  return create(AssignRequestSchema, {
    session,
    appliesTo: set.appliesTo,
    resultsIn: set.resultsIn,
    complete: set.isComplete,
    tasks: [...table.tasks],
    assignments,
    releasedExecutionIds: [...set.releasedExecutionIds],
    releasedAskIds: [...set.releasedAskIds],
  });
}

/** @throws as `createTaskReader`. */
export function assignmentSetFromProto(pb: AssignRequest): AssignmentSet {
  const jobAt = createTaskReader(pb.tasks);
  return {
    appliesTo: pb.appliesTo,
    resultsIn: pb.resultsIn,
    isComplete: pb.complete,
    assignments: pb.assignments.map((assignment) => assignmentFromProto(assignment, jobAt)),
    releasedExecutionIds: pb.releasedExecutionIds as ExecutionId[],
    releasedAskIds: [...pb.releasedAskIds],
  };
}

/** A wish that this version does not know reads as stop: not running is the safe mistake. */
function assignmentFromProto(pb: PbAssignment, jobAt: (taskIndex: number) => JobTask): Assignment {
  return {
    executionId: pb.executionId as ExecutionId,
    job: jobAt(pb.taskIndex),
    partition: pb.partition,
    attempt: pb.attempt,
    epoch: Number(pb.epoch),
    desired: DESIRED_FROM_PROTO.get(pb.desired) ?? "stop",
    verdict: VERDICT_FROM_PROTO.get(pb.verdict) ?? "open",
    askId: pb.askId,
    isAcceptedAtOnce: pb.acceptAtOnce,
  };
}
